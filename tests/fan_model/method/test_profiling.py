"""Tailored profiling keeps what is relevant to the target, and of that what is unlike the rest."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.method.profiling import ReferenceVectors, count_references, select_references


def vectors_of(seed, num_texts, width=8, num_tokens=5):
    tokens = (
        np.random.default_rng(seed).standard_normal((num_texts, num_tokens, width)).astype(np.float32) + 0.7
    )
    return ReferenceVectors.of_tokens(tokens)


def test_one_dot_product_is_the_mean_cosine_over_all_token_pairs():
    tokens = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)
    vectors = ReferenceVectors.of_tokens(tokens)
    unit = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)
    expected = np.mean([one @ other for one in unit[0] for other in unit[1]])
    assert vectors.mean_unit_tokens[0] @ vectors.mean_unit_tokens[1] == pytest.approx(expected, abs=1e-6)
    means = tokens.mean(axis=1)
    directions = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors.unit_mean_tokens, directions, rtol=1e-5)


def test_vectors_are_joined_in_their_order_and_each_kind_has_its_own_mean():
    one, other = vectors_of(1, 2), vectors_of(2, 3)
    both = ReferenceVectors.join([one, other])
    assert np.array_equal(both.mean_unit_tokens, [*one.mean_unit_tokens, *other.mean_unit_tokens])
    assert np.array_equal(both.unit_mean_tokens, [*one.unit_mean_tokens, *other.unit_mean_tokens])
    for weights in ([3, 1], (0.75, 0.25)):
        mean = one.mean(weights)
        expected = 0.75 * one.mean_unit_tokens[0] + 0.25 * one.mean_unit_tokens[1]
        np.testing.assert_allclose(mean.mean_unit_tokens, [expected], rtol=1e-6)
        expected = 0.75 * one.unit_mean_tokens[0] + 0.25 * one.unit_mean_tokens[1]
        np.testing.assert_allclose(mean.unit_mean_tokens, [expected], rtol=1e-6)


@pytest.mark.parametrize("length", [1e-3, 1e3])
def test_the_length_of_tokens_does_not_matter(length):
    tokens = np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32)
    one, other = ReferenceVectors.of_tokens(tokens), ReferenceVectors.of_tokens(length * tokens)
    np.testing.assert_allclose(one.mean_unit_tokens, other.mean_unit_tokens, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one.unit_mean_tokens, other.unit_mean_tokens, rtol=1e-4, atol=1e-6)


def test_some_of_the_texts_have_their_own_vectors_in_the_order_asked_for():
    vectors = vectors_of(0, 4)
    some = vectors[np.array([2, 0])]
    assert np.array_equal(some.mean_unit_tokens, vectors.mean_unit_tokens[[2, 0]])
    assert np.array_equal(some.unit_mean_tokens, vectors.unit_mean_tokens[[2, 0]])


@pytest.mark.parametrize(
    ("history_size", "size", "expected"),
    [
        (60, {"fraction": 0.1}, 6),
        (4, {"fraction": 0.1}, 1),
        (25, {"fraction": 0.1}, 2),
        (3, {"count": 10}, 3),
        (3, {"count": 1}, 1),
        (0, {"count": 10}, 0),
        (7, {"fraction": 1.0}, 7),
    ],
)
def test_a_fraction_or_a_count_says_how_many_are_kept(history_size, size, expected):
    assert count_references(history_size, **size) == expected


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ({}, "exactly one"),
        ({"fraction": 0.1, "count": 3}, "exactly one"),
        ({"fraction": 0.0}, "fraction is 0.0"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"count": 0}, "count is 0"),
    ],
)
def test_an_unclear_size_is_refused(size, complaint):
    with pytest.raises(ValueError, match=complaint):
        count_references(10, **size)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_weight_that_is_no_preference_is_refused(bad):
    with pytest.raises(ValueError, match="1 of 3 weights are not finite numbers above 0"):
        select_references(vectors_of(0, 1), vectors_of(1, 3), [1.0, bad, 2.0], num_references=2)


def test_a_weight_too_few_is_refused():
    with pytest.raises(ValueError, match="2 weights for 3 references"):
        select_references(vectors_of(0, 1), vectors_of(1, 3), [1.0, 2.0], num_references=2)


def test_a_small_history_is_kept_whole_in_its_order():
    selected = select_references(vectors_of(0, 1), vectors_of(1, 3), [1.0, 2.0, 3.0], num_references=3)
    assert selected.indices.tolist() == [0, 1, 2]


def on_a_circle(*degrees):
    """Texts of one token each: the closer the angles, the more alike the texts."""
    angles = np.radians(degrees)
    return ReferenceVectors.of_tokens(np.stack([np.cos(angles), np.sin(angles)], axis=-1)[:, None])


def selected(history, weights, wanted):
    """Which references are kept for a target at 0 degrees."""
    selection = select_references(on_a_circle(0), on_a_circle(*history), weights, num_references=wanted)
    return selection.indices.tolist()


def test_only_the_most_relevant_are_looked_at_and_of_them_the_one_least_like_the_target_is_kept():
    # Of 4, round(sqrt(1 / 4) * 4) = 2 are looked at.
    assert selected([80, 10, 50, 5], [1.0] * 4, 1) == [1]
    assert selected([80, 10, 50, 5], [9.0, 1.0, 1.0, 1.0], 1) == [0]


def test_what_is_like_a_reference_that_is_kept_already_is_passed_over():
    # Of 8, round(sqrt(2 / 8) * 8) = 4 are looked at; 30 is less like the target than -20, but like 40.
    history = [100, 30, -20, 40, 5, 120, 150, 170]
    assert selected(history, [1.0] * 8, 2) == [3, 2]


def test_a_heavier_reference_may_be_more_like_the_target():
    assert selected([40, 30, 100, 120], [1.0, 1.0, 1.0, 1.0], 1) == [0]
    assert selected([40, 30, 100, 120], [1.0, 2.0, 1.0, 1.0], 1) == [1]


def test_of_equal_references_those_that_come_first_are_kept():
    assert selected([30] * 64, [1.0] * 64, 4) == [0, 1, 2, 3]
    # Of 300, 17 are looked at, all of them among the heavier half.
    assert selected([30] * 300, [1.0, 2.0] * 150, 1) == [1]


@given(st.integers(0, 999), st.integers(2, 20), st.data())
def test_each_reference_that_is_kept_is_then_the_least_alike_per_weight_of_those_looked_at(seed, size, data):
    weights = np.array(data.draw(st.lists(st.floats(0.1, 10), min_size=size, max_size=size)), np.float32)
    wanted = data.draw(st.integers(1, size - 1))
    target, history = vectors_of(seed, 1), vectors_of(seed + 1, size)
    selection = select_references(target, history, weights.tolist(), num_references=wanted)

    relevance = weights * (history.mean_unit_tokens @ target.mean_unit_tokens[0])
    np.testing.assert_allclose(selection.relevance, relevance[selection.indices], rtol=1e-5)
    assert selection.relevance.dtype == np.float32
    looked_at = set(np.argsort(-relevance)[: round(math.sqrt(wanted * size))].tolist())
    assert set(selection.indices.tolist()) <= looked_at
    likeness = history.unit_mean_tokens @ target.unit_mean_tokens[0]
    for kept in selection.indices.tolist():
        least = min(likeness[one] / weights[one] for one in looked_at)
        assert likeness[kept] / weights[kept] == pytest.approx(least, abs=1e-5)
        looked_at.remove(kept)
        likeness = np.maximum(likeness, history.unit_mean_tokens @ history.unit_mean_tokens[kept])


@given(st.integers(0, 999), st.integers(1, 40), st.data())
def test_a_selection_is_of_the_right_size_without_repetition(seed, history_size, data):
    weights = data.draw(st.lists(st.floats(0.1, 10), min_size=history_size, max_size=history_size))
    wanted = data.draw(st.integers(1, history_size))
    selected = select_references(
        vectors_of(seed, 1), vectors_of(seed + 1, history_size), weights, num_references=wanted
    )
    assert len(set(selected.indices.tolist())) == len(selected.relevance) == wanted
    assert set(selected.indices.tolist()) <= set(range(history_size))


@given(st.integers(0, 999), st.integers(2, 30), st.data())
def test_a_common_weight_changes_no_selection(seed, history_size, data):
    wanted = data.draw(st.integers(1, history_size))
    target, history = vectors_of(seed, 1), vectors_of(seed + 1, history_size)
    one, two = (
        select_references(target, history, [weight] * history_size, num_references=wanted).indices.tolist()
        for weight in (1.0, 2.0)
    )
    assert one == two


def test_profiling_never_imports_torch():
    code = "import sys, fan_model.method.profiling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
