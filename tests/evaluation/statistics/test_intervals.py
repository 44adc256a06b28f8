import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from evaluation.statistics.intervals import Resampling, estimate_mean, estimate_ratio


def test_the_interval_is_about_the_normal_one_for_many_users():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    estimate = estimate_mean(values)
    half = norm.ppf(0.975) * values.std() / math.sqrt(400)
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)
    assert estimate.num_users == 400


def test_intervals_hold_the_truth_as_often_as_they_say():
    generator, how = np.random.default_rng(1), Resampling(confidence=0.9, num_resamples=400)
    held = 0
    for _ in range(200):
        estimate = estimate_mean(generator.normal(size=40), how)
        held += estimate.low <= 0 <= estimate.high
    assert 0.82 <= held / 200 <= 0.97


@given(st.floats(-5, 5), st.integers(2, 20))
def test_users_who_agree_leave_no_doubt(value, num_users):
    estimate = estimate_mean(np.full(num_users, value), Resampling(num_resamples=50))
    assert estimate.low == pytest.approx(value)
    assert estimate.high == pytest.approx(value)


def test_an_interval_comes_from_its_seed_and_its_number_of_samples():
    values = np.random.default_rng(3).normal(size=30)
    usual = estimate_mean(values, Resampling(num_resamples=200))
    assert usual == estimate_mean(values, Resampling(num_resamples=200))
    for other in (Resampling(num_resamples=200, seed=1), Resampling(num_resamples=300)):
        assert estimate_mean(values, other) != usual
    assert (Resampling().confidence, Resampling().num_resamples) == (0.95, 9_999)


def test_less_confidence_is_a_narrower_interval():
    values = np.random.default_rng(3).normal(size=400)
    half = norm.ppf(0.75) * values.std() / math.sqrt(400)
    estimate = estimate_mean(values, Resampling(confidence=0.5))
    assert estimate.high - estimate.low == pytest.approx(2 * half, rel=0.05)


def test_a_ratio_to_others_that_a_sample_may_have_none_of_has_no_interval_and_says_nothing(recwarn):
    estimate = estimate_ratio(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    assert estimate.mean == pytest.approx(0.75)
    assert math.isnan(estimate.low)
    assert [one for one in recwarn if "divide" in str(one.message) or "invalid" in str(one.message)] == []


def test_users_without_a_value_do_not_count():
    estimate = estimate_mean(np.array([1.0, np.nan, 3.0]))
    assert (estimate.mean, estimate.num_users) == (2.0, 2)


@pytest.mark.parametrize(("values", "mean"), [([], math.nan), ([4.0], 4.0)])
def test_fewer_than_two_users_have_no_interval(values, mean):
    estimate = estimate_mean(np.array(values))
    assert estimate.mean == pytest.approx(mean, nan_ok=True)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@given(st.lists(st.floats(0.1, 9), min_size=2, max_size=12), st.floats(0.5, 2))
def test_a_ratio_of_pairs_in_one_proportion_leaves_no_doubt(others, factor):
    """Resampled apart from one another, values and others would spread."""
    values = np.array(others)
    estimate = estimate_ratio(factor * values, values, Resampling(num_resamples=50))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((factor,) * 3)


def test_the_interval_of_a_ratio_is_about_that_of_the_delta_method():
    generator = np.random.default_rng(2)
    others = generator.uniform(5, 10, 500)
    values = 1.2 * others + generator.normal(size=500)
    estimate = estimate_ratio(values, others)
    ratio = values.mean() / others.mean()
    half = norm.ppf(0.975) * (values - ratio * others).std() / others.mean() / math.sqrt(500)
    assert (estimate.low, estimate.high) == pytest.approx((ratio - half, ratio + half), abs=0.002)


def test_an_estimate_reads_as_a_difference_with_its_interval():
    assert str(estimate_mean(np.array([1.0, 1.0]))) == "+1.00 [+1.00, +1.00]"


@pytest.mark.parametrize(
    ("values", "text"), [([], "–"), ([np.nan], "–"), ([0.5], "+0.50"), ([1.0, 1.0], "+1.00 [+1.00, +1.00]")]
)
def test_what_too_few_users_have_is_written_without_an_interval(values, text):
    assert str(estimate_mean(np.array(values), Resampling(num_resamples=50))) == text
