"""The shares of a contrast: what sets a user apart, and nothing of what everybody likes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.method.crowd_contrast import Crowd, contrast_shares

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
