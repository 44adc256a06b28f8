import math

import numpy as np
import pytest

from evaluation.statistics.power import estimate_power

random = np.random.default_rng(3)


def test_eight_in_ten_samples_of_the_users_that_are_needed_tell_the_effect():
    wanted = estimate_power(random.normal(0.4, 2.0, 4_000)).users_needed
    assert wanted
    samples = random.normal(0.4, 2.0, (2_000, wanted))
    lows = samples.mean(1) - 1.96 * samples.std(1, ddof=1) / math.sqrt(wanted)
    assert (lows > 0).mean() == pytest.approx(0.8, abs=0.06)


def test_four_times_the_users_tell_half_the_effect():
    differences = random.normal(1.0, 3.0, 100)
    few, many = estimate_power(differences), estimate_power(np.tile(differences, 4))
    assert many.smallest_effect == pytest.approx(few.smallest_effect / 2, rel=0.01)
    assert many.users_needed == pytest.approx(few.users_needed, rel=0.02)


def test_more_confidence_and_more_power_need_more_users():
    differences = random.normal(1.0, 3.0, 50)
    plain = estimate_power(differences).users_needed
    assert estimate_power(differences, confidence=0.99).users_needed > plain
    assert estimate_power(differences, power=0.95).users_needed > plain


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 2.0]])
def test_fewer_than_two_users_tell_nothing(values):
    found = estimate_power(np.array(values))
    assert math.isnan(found.smallest_effect)
    assert found.users_needed is None


def test_two_users_by_hand():
    found = estimate_power(np.array([1.0, 3.0]), confidence=0.95, power=0.8)
    assert found.smallest_effect == pytest.approx((1.959964 + 0.841621) * math.sqrt(2) / math.sqrt(2))
    assert found.users_needed == math.ceil((1.959964 + 0.841621) ** 2 * 2 / 4)
    assert estimate_power(np.array([1.0, 1.0])).users_needed == 2


def test_no_number_of_users_tells_a_difference_of_nothing():
    assert estimate_power(np.array([1.0, -1.0, np.nan])).users_needed is None
