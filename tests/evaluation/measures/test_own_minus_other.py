import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from evaluation.measures.own_minus_other import measure_own_minus_other, own_minus_other


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(2, 7))
def test_a_picture_s_own_score_less_the_mean_of_its_others_is_what_is_tested(seed, num_pictures, num_users):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(num_pictures, num_users))
    owners = generator.integers(0, num_users, num_pictures)
    by_hand = [row[own] - np.mean(np.delete(row, own)) for row, own in zip(scores, owners, strict=True)]
    np.testing.assert_allclose(own_minus_other(scores, owners), by_hand, atol=1e-12)
    tested = measure_own_minus_other(scores, owners, num_permutations=3)
    assert tested.difference == pytest.approx(np.mean(by_hand))
    assert tested.num_permutations == 3


def test_the_difference_is_that_of_the_means():
    scores = np.array([[3.0, 1.0, 2.0], [0.0, 4.0, 1.0]])
    result = measure_own_minus_other(scores, np.array([0, 1]), num_permutations=10)
    assert result.own_mean == pytest.approx(3.5)
    assert result.other_mean == pytest.approx(1.0)
    assert result.difference == pytest.approx(2.5)


def test_the_p_value_is_the_share_of_deals_that_do_as_well():
    # Of the six deals of three histories only the true one gives every picture its own.
    result = measure_own_minus_other(np.eye(3), np.arange(3), num_permutations=6_000, seed=1)
    assert result.p_value == pytest.approx(1 / 6, abs=0.02)


def test_a_second_library_agrees_on_the_p_value():
    """Of six histories all 720 deals are tried."""
    generator = np.random.default_rng(5)
    scores, owners = generator.normal(size=(12, 6)) + np.tile(0.5 * np.eye(6), (2, 1)), np.arange(12) % 6

    def own_mean(deal):
        return scores[np.arange(12), np.asarray(deal, int)[owners]].mean()

    exact = permutation_test(
        (np.arange(6),),
        own_mean,
        permutation_type="pairings",
        alternative="greater",
        vectorized=False,
        n_resamples=np.inf,
    )
    result = measure_own_minus_other(scores, owners, num_permutations=9_999)
    assert 0.01 < exact.pvalue < 0.5
    assert result.p_value == pytest.approx(exact.pvalue, abs=0.015)


def test_pictures_that_suit_their_own_history_alone_are_significant():
    scores = np.random.default_rng(0).normal(size=(40, 20))
    owners = np.arange(40) % 20
    scores[np.arange(40), owners] += 2
    assert measure_own_minus_other(scores, owners, num_permutations=999).p_value == 1 / 1000


@pytest.mark.parametrize("score", [0.0, 0.1, -3.0])
def test_equal_scores_prove_nothing(score):
    assert measure_own_minus_other(np.full((4, 3), score), np.array([0, 1, 2, 0])).p_value == 1


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_scores_changes_no_p_value(scale):
    scores, owners = np.random.default_rng(4).normal(size=(12, 6)), np.arange(12) % 6
    found = [measure_own_minus_other(some, owners, num_permutations=99) for some in (scores, scale * scores)]
    assert found[0].p_value == found[1].p_value < 1


def test_scores_without_a_bond_to_the_owner_are_seldom_significant():
    generator = np.random.default_rng(3)
    p_values = [
        measure_own_minus_other(
            generator.normal(size=(30, 15)), np.arange(30) % 15, num_permutations=99
        ).p_value
        for _ in range(60)
    ]
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_a_history_that_suits_everybody_is_no_evidence():
    scores = np.zeros((10, 5))
    scores[:, 2] = 50
    result = measure_own_minus_other(scores, np.full(10, 2), num_permutations=4_999)
    assert result.difference == 50
    assert result.p_value == pytest.approx(1 / 5, abs=0.03)


@pytest.mark.parametrize(
    ("scores", "owners", "message"),
    [
        (np.ones((2, 1)), np.zeros(2, int), "of two users or more"),
        (np.ones((0, 2)), np.zeros(0, int), "of two users or more"),
        (np.ones((2, 2)), np.array([0, 2]), "owners must be 2 numbers from 0 to 1"),
        (np.array([[1.0, np.nan]]), np.array([0]), "1 scores are not finite"),
    ],
)
def test_scores_that_cannot_be_compared_are_errors(scores, owners, message):
    with pytest.raises(ValueError, match=message):
        measure_own_minus_other(scores, owners)
