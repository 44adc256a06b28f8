"""References that set a user apart are preferred to those that everybody likes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.method.profiling import LEAST_DISTINCTIVENESS, ReferenceVectors, distinctiveness
from fan_model.method.selection_policy import SelectionPolicy

CROWD = np.array([1.0, 0.0, 0.0])
"""Everybody likes what points here."""
TARGET = ReferenceVectors(*[np.array([[0.6, 0.6, 0.5]])] * 2)


def vectors(*rows):
    rows = np.array(rows, np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return ReferenceVectors(rows, rows)


def random_history(seed, size):
    return vectors(*np.random.default_rng(seed).normal(size=(size, 3)))


def test_what_points_where_the_user_differs_counts_and_what_points_away_hardly_does():
    history = vectors([0, 1, 0], [0.1, 1, 0], [1, 0.1, 0], [1, -1, 0])
    shares = distinctiveness(history, [3.0, 3.0, 1.0, 1.0], CROWD)
    assert shares[0] > 0.9
    assert shares[1] > 0.9
    assert shares[3] < 0.7
    assert shares[3] < shares[2]


def test_a_user_who_differs_in_nothing_has_no_distinctive_reference():
    shares = distinctiveness(vectors([1, 0, 0]), [1.0], CROWD)
    assert shares.tolist() == [LEAST_DISTINCTIVENESS]


def test_what_is_liked_more_says_where_the_user_differs():
    history = vectors([0.1, 1, 0], [0.1, 0, 1])
    assert np.argmax(distinctiveness(history, [9.0, 1.0], CROWD)) == 0
    assert np.argmax(distinctiveness(history, [1.0, 9.0], CROWD)) == 1


@pytest.mark.parametrize("factor", [1.0, 7.3, 0.01])
def test_of_a_user_whose_mean_is_the_crowds_no_rounding_chooses_the_references(factor):
    history = vectors(*np.random.default_rng(3).normal(size=(12, 8)))
    weights = np.random.default_rng(4).uniform(0.5, 5, 12)
    mean = (weights @ history.unit_mean_tokens / weights.sum()).astype(np.float32)
    shares = distinctiveness(history, factor * weights, mean)
    assert len(set(shares.tolist())) == 1


@given(st.integers(0, 1000), st.integers(1, 20), st.floats(0.01, 100))
def test_shares_are_from_the_least_to_one_and_no_scale_of_weights_changes_them(seed, size, factor):
    history = random_history(seed, size)
    weights = np.random.default_rng(seed).uniform(0.1, 5, size)
    shares = distinctiveness(history, weights, CROWD)
    assert ((shares >= LEAST_DISTINCTIVENESS) & (shares <= 1)).all()
    np.testing.assert_allclose(distinctiveness(history, factor * weights, CROWD), shares, atol=1e-5)


WAYS = [(True, CROWD, True), (True, None, False), (False, CROWD, False)]


@pytest.mark.parametrize(("distinctive", "crowd", "counts"), WAYS)
def test_a_policy_asks_what_sets_the_user_apart_where_it_is_to_and_there_is_a_crowd(
    distinctive, crowd, counts
):
    history, weights = random_history(1, 12), np.arange(1.0, 13.0)
    policy = SelectionPolicy(fraction=0.3, distinctive=distinctive)
    selection = policy.select(TARGET, history, weights, crowd=crowd)
    shares = distinctiveness(history, weights, CROWD) if counts else np.ones(12)
    relevance = weights * shares * (history.mean_unit_tokens @ TARGET.mean_unit_tokens[0])
    np.testing.assert_allclose(selection.relevance, relevance[selection.indices], rtol=1e-5)
    assert set(selection.indices) <= set(np.argsort(-relevance)[:7])


@pytest.mark.parametrize(
    ("history_size", "expected"), [(1, 1), (8, 8), (30, 8), (100, 10), (1000, 20), (0, 0)]
)
def test_a_history_keeps_its_share_but_not_fewer_or_more_than_the_policy_allows(history_size, expected):
    policy = SelectionPolicy(fraction=0.1, min_references=8, max_references=20)
    assert policy.num_references(history_size) == expected
