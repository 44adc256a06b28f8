import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures.gain import measure_gain
from evaluation.statistics.intervals import Resampling, estimate_mean, estimate_ratio


def test_the_two_gains_weigh_pairs_differently():
    gain = measure_gain(np.array([20.0, 15.0]), np.array([10.0, 30.0]))
    assert gain.mean_of_ratios.mean == pytest.approx(25.0)
    assert gain.ratio_of_means.mean == pytest.approx(-12.5)
    assert gain.num_pairs == 2


def test_gains_have_intervals_over_pairs():
    plain = np.random.default_rng(0).uniform(5, 10, 60)
    gain = measure_gain(1.1 * plain + np.random.default_rng(1).normal(size=60), plain)
    for estimate in (gain.mean_of_ratios, gain.ratio_of_means):
        assert 0 < estimate.low < estimate.mean < estimate.high < 20


def test_a_gain_is_what_is_beyond_one_in_percent_its_interval_too():
    own, plain = np.array([0.0, 12.0, 9.0, 20.0]), np.array([4.0, 8.0, 9.0, 5.0])
    gain, how = measure_gain(own, plain), Resampling()
    for found, ratio in (
        (gain.mean_of_ratios, estimate_mean(own / plain, how)),
        (gain.ratio_of_means, estimate_ratio(own, plain, how)),
    ):
        beyond = [100 * (value - 1) for value in (ratio.mean, ratio.low, ratio.high)]
        assert [found.mean, found.low, found.high] == pytest.approx(beyond)


def test_pairs_with_an_unknown_score_do_not_count():
    gain = measure_gain(np.array([20.0, np.nan, 5.0]), np.array([10.0, 1.0, np.nan]))
    assert (gain.num_pairs, gain.mean_of_ratios.mean) == (1, pytest.approx(100.0))


def test_a_plain_score_of_zero_counts_in_the_ratio_of_means_alone():
    gain = measure_gain(np.array([20.0, 10.0, 0.0]), np.array([10.0, 0.0, 0.0]))
    assert gain.mean_of_ratios.mean == pytest.approx(100.0)
    assert gain.ratio_of_means.mean == pytest.approx(200.0)
    assert (gain.num_pairs, gain.num_zero_plain) == (3, 2)


@pytest.mark.parametrize("plain", [[], [0.0]])
def test_without_a_plain_score_above_zero_there_is_no_gain(plain):
    gain = measure_gain(np.ones(len(plain)), np.array(plain))
    assert math.isnan(gain.mean_of_ratios.mean)
    assert math.isnan(gain.ratio_of_means.mean)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=20), st.floats(0.5, 2))
def test_a_common_factor_is_the_gain_either_way(plain, factor):
    gain = measure_gain(factor * np.array(plain), np.array(plain), Resampling(num_resamples=9))
    assert gain.mean_of_ratios.mean == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert gain.ratio_of_means.mean == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_scores_below_zero_are_an_error():
    with pytest.raises(ValueError, match="scores must be at least 0: clamp them"):
        measure_gain(np.array([-1.0]), np.array([1.0]))


def test_scores_that_are_no_pairs_are_an_error():
    with pytest.raises(ValueError, match=r"scores are \(2,\) and plain scores \(1,\)"):
        measure_gain(np.ones(2), np.ones(1))
