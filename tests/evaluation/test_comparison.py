import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from evaluation.comparison import compare, estimate_mean


def test_the_interval_is_about_the_normal_one_for_many_users():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    estimate = estimate_mean(values)
    half = norm.ppf(0.975) * values.std() / math.sqrt(400)
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)
    assert estimate.num_users == 400


def test_intervals_hold_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        estimate = estimate_mean(generator.normal(size=40), confidence=0.9, num_resamples=400)
        held += estimate.low <= 0 <= estimate.high
    assert 0.82 <= held / 200 <= 0.97


@given(st.floats(-5, 5), st.integers(2, 20))
def test_users_who_agree_leave_no_doubt(value, num_users):
    estimate = estimate_mean(np.full(num_users, value), num_resamples=50)
    assert estimate.low == pytest.approx(value)
    assert estimate.high == pytest.approx(value)


def test_users_without_a_value_do_not_count():
    estimate = estimate_mean(np.array([1.0, np.nan, 3.0]))
    assert (estimate.mean, estimate.num_users) == (2.0, 2)


@pytest.mark.parametrize(("values", "mean"), [([], math.nan), ([4.0], 4.0)])
def test_fewer_than_two_users_have_no_interval(values, mean):
    estimate = estimate_mean(np.array(values))
    assert estimate.mean == pytest.approx(mean, nan_ok=True)
    assert math.isnan(estimate.low)
    assert not estimate.excludes_zero


def test_differences_are_paired_by_user():
    base = np.random.default_rng(2).normal(50, 20, size=30)

    def values(shift):
        return {"clip_target": base + shift, "clip_history": np.full(30, 10.0 + shift)}

    comparison = compare(values(1.0), plain=values(0.0), full=values(1.5), confidence=0.95, seed=0)
    assert comparison.means["clip_target"].high - comparison.means["clip_target"].low > 5
    assert comparison.minus_plain["clip_target"].low == pytest.approx(1.0)
    assert comparison.minus_full["clip_target"].high == pytest.approx(-0.5)
    assert comparison.minus_plain["clip_target"].excludes_zero
    assert comparison.gains["clip_history"].ratio_of_means_percent == pytest.approx(10.0)
