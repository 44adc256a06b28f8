import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures.kernel_distance import measure_kernel_distance

SEEDS = st.integers(0, 2**31)


def unit(seed, size=(9, 4)):
    vectors = np.random.default_rng(seed).normal(size=size)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_two_pairs_by_hand():
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    # k(equal) = 8, k(orthogonal) = 1. Pair 1: east, east; pair 2: east, north.
    # k(x1,x2) + k(y1,y2) - k(x1,y2) - k(x2,y1) = 8 + 1 - 1 - 8 = 0.
    np.testing.assert_allclose(
        measure_kernel_distance(np.array([east, east]), np.array([east, north])), 0, atol=1e-12
    )
    # Both x east, both y north: 8 + 8 - 1 - 1 = 14.
    np.testing.assert_allclose(
        measure_kernel_distance(np.array([east, east]), np.array([north, north])), 14, atol=1e-12
    )


@given(SEEDS)
def test_a_set_is_at_no_distance_from_itself(seed):
    np.testing.assert_allclose(measure_kernel_distance(unit(seed), unit(seed)), 0, atol=1e-12)


@given(SEEDS, SEEDS)
def test_the_distance_is_the_same_from_either_side(seed, other):
    np.testing.assert_allclose(
        measure_kernel_distance(unit(seed), unit(other)), measure_kernel_distance(unit(other), unit(seed))
    )


@given(SEEDS, SEEDS)
def test_the_mean_is_the_statistic_of_pairs_written_out(seed, other):
    images, plain = unit(seed), unit(other)

    def kernel(left, right):
        return (left @ right + 1) ** 3

    terms = [
        kernel(images[i], images[j])
        + kernel(plain[i], plain[j])
        - kernel(images[i], plain[j])
        - kernel(images[j], plain[i])
        for i in range(9)
        for j in range(9)
        if i != j
    ]
    assert measure_kernel_distance(images, plain).mean() == pytest.approx(np.mean(terms))


def test_sets_of_one_kind_are_nearer_than_sets_of_two():
    one, same, other = unit(0, (60, 6)), unit(1, (60, 6)), np.abs(unit(2, (60, 6)))
    assert abs(measure_kernel_distance(one, same).mean()) < measure_kernel_distance(one, other).mean() / 5


def test_a_single_pair_has_no_distance():
    assert np.isnan(measure_kernel_distance(unit(0, (1, 4)), unit(1, (1, 4)))).all()
