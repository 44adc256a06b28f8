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
    assert np.linalg.norm(vectors.unit_mean_tokens, axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("history_size", "size", "expected"),
    [
        (60, {"fraction": 0.1}, 6),
        (4, {"fraction": 0.1}, 1),
        (25, {"fraction": 0.1}, 2),
        (3, {"count": 10}, 3),
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
