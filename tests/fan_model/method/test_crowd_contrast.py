"""The shares of a contrast: what sets a user apart, and nothing of what everybody likes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fan_model.method.crowd_contrast import Crowd, CrowdPolicy, choose_crowd, contrast_shares

weighted_texts = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(1e-3, 1e3), min_size=1)


def crowd_of(weights):
    return Crowd(tuple(weights), tuple(weights.values()))


def shares_of(references, crowd):
    return contrast_shares(list(references), list(references.values()), crowd_of(crowd))


def test_a_text_counts_for_how_much_more_the_user_weighs_it_than_the_crowd():
    shares = shares_of({"western": 3.0, "drama": 1.0}, {"drama": 1.0, "comedy": 1.0})
    assert shares == pytest.approx({"western": 0.75, "drama": -0.25, "comedy": -0.5})


def test_a_reference_that_is_named_twice_counts_for_both():
    shares = contrast_shares(["western", "western"], [1.0, 1.0], crowd_of({"drama": 1.0}))
    assert shares == {"western": 1.0, "drama": -1.0}


@pytest.mark.parametrize(
    ("weights", "crowd"),
    [([1.0, 1.0], Crowd(("drama",), (1.0,))), ([1.0], Crowd(("drama", "comedy"), (1.0,)))],
)
def test_a_text_without_a_weight_is_a_fault_of_the_caller(weights, crowd):
    with pytest.raises(ValueError, match="zip"):
        contrast_shares(["western"], weights, crowd)


@given(weighted_texts, st.floats(1e-3, 1e3))
def test_nothing_is_left_of_references_that_are_the_crowds(weights, factor):
    assert shares_of({text: factor * weight for text, weight in weights.items()}, weights) == {}


@given(weighted_texts, weighted_texts)
def test_shares_sum_to_nothing(references, crowd):
    assert math.fsum(shares_of(references, crowd).values()) == pytest.approx(0, abs=1e-6)


@given(weighted_texts, weighted_texts, st.floats(1e-3, 1e3), st.randoms(use_true_random=False))
def test_neither_scale_nor_order_of_weights_changes_a_share(references, crowd, factor, random):
    order = random.sample(sorted(references), len(references))
    other = shares_of({text: factor * references[text] for text in order}, crowd)
    assert other == pytest.approx(shares_of(references, crowd), abs=1e-6)


def test_a_crowd_of_nobody_is_none():
    assert not Crowd()
    assert crowd_of({"drama": 1.0})


def population(seed, num_texts):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(num_texts, 4))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), generator.uniform(0.1, 5, num_texts)


def test_a_crowd_has_one_text_of_each_kind_weighed_by_how_much_its_kind_is_liked():
    kinds = np.eye(3)[[0, 0, 0, 1, 1, 2]] + 0.01 * population(1, 6)[0][:, :3]
    places, weights = choose_crowd(kinds, np.array([1.0, 5.0, 1.0, 2.0, 1.0, 1.0]), 3)
    found = dict(zip((places // 3 + (places == 5)).tolist(), weights.tolist(), strict=True))
    assert found == pytest.approx({0: 7 / 11, 1: 3 / 11, 2: 1 / 11})


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 8))
def test_a_crowd_is_some_of_the_texts_with_weights_that_sum_to_one(seed, num_texts, size):
    vectors, weights = population(seed, num_texts)
    places, shares = choose_crowd(vectors, weights, size)
    assert 1 <= len(places) == len(set(places.tolist())) <= min(size, num_texts)
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()


@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_the_same_population_has_the_same_crowd_at_any_scale(seed, factor):
    vectors, weights = population(seed, 30)
    places, shares = choose_crowd(vectors, weights, 5)
    again, scaled = choose_crowd(vectors, factor * weights, 5)
    assert places.tolist() == again.tolist()
    assert scaled == pytest.approx(shares)


def test_the_mean_of_a_crowd_is_nearer_to_the_populations_than_its_most_liked_texts():
    vectors, weights = population(3, 400)
    mean = weights @ vectors / weights.sum()
    places, shares = choose_crowd(vectors, weights, 6)
    most_liked = np.argsort(-weights)[:6]
    likes = weights[most_liked] @ vectors[most_liked] / weights[most_liked].sum()
    assert np.linalg.norm(shares @ vectors[places] - mean) < np.linalg.norm(likes - mean)


def test_the_text_nearest_to_the_middle_stands_for_its_group():
    places = np.array([0.0, 2.0, 1.1, 50.0, 53.0, 51.4])
    chosen, shares = choose_crowd(np.stack([places, places], axis=1), np.ones(6), 2)
    assert sorted(chosen.tolist()) == [2, 5]
    assert shares.tolist() == pytest.approx([0.5, 0.5])


def test_no_more_texts_than_a_crowd_may_have_are_all_of_it_in_their_order():
    vectors, weights = population(0, 3)
    for size in (3, 4):
        places, shares = choose_crowd(vectors, weights, size)
        assert places.tolist() == [0, 1, 2]
        np.testing.assert_allclose(shares, weights / weights.sum())


def test_of_many_kinds_a_crowd_has_one_text_of_each():
    kinds = np.eye(8)[np.arange(40) % 8] * np.where(np.arange(40) % 3, 1, -1)[:, None]
    vectors = kinds + 0.01 * np.random.default_rng(5).normal(size=(40, 8))
    places, _ = choose_crowd(vectors, np.linspace(1, 2, 40), 16)
    assert len({tuple(kinds[place]) for place in places}) == 16


def test_of_few_different_texts_each_is_named_once():
    places, shares = choose_crowd(np.eye(2)[[0, 1] * 5], np.ones(10), 5)
    assert sorted((places % 2).tolist()) == [0, 1]
    assert shares.tolist() == pytest.approx([0.5, 0.5])


def test_a_new_release_chooses_the_same_crowd():
    """Another one would let everybody's personal pictures be drawn again."""
    places, shares = choose_crowd(*population(3, 60), 6)
    assert places.tolist() == [57, 40, 15, 32, 33, 5]
    assert shares.tolist() == pytest.approx([0.2532, 0.1492, 0.1697, 0.1455, 0.1401, 0.1423], abs=1e-4)


def test_a_policy_of_a_crowd_has_bounds_and_defaults():
    usual = CrowdPolicy()
    assert (usual.size, usual.least_users, usual.max_drift) == (6, 5, 0.02)
    for allowed in ({"size": 2}, {"size": 64}, {"least_users": 1}, {"max_drift": 0}, {"max_drift": 2}):
        CrowdPolicy(**allowed)
    for refused in ({"size": 1}, {"size": 65}, {"least_users": 0}, {"max_drift": -0.01}, {"max_drift": 2.01}):
        with pytest.raises(ValidationError, match="should be"):
            CrowdPolicy(**refused)
