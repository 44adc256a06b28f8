"""One policy says how many references are used, and which; nobody counts or selects on their own."""

import ast
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fan_model.drawing.requests import DrawingOptions
from fan_model.method.profiling import ReferenceVectors, select_references
from fan_model.method.selection_policy import SelectionPolicy

ROOT = Path(__file__).parents[3]
PACKAGES = ("evaluation", "fan_model", "feature_store", "flows", "recsys_adapters")
OWN_WORKS = {"count_references", "select_references"}


def vectors_of(seed, num_texts):
    tokens = np.random.default_rng(seed).standard_normal((num_texts, 5, 8)).astype(np.float32) + 0.7
    return ReferenceVectors.of_tokens(tokens)


@pytest.mark.parametrize(
    ("history_size", "policy", "expected"),
    [
        (60, SelectionPolicy(), 6),
        (4, SelectionPolicy(), 1),
        (0, SelectionPolicy(), 0),
        (1000, SelectionPolicy(), 20),
        (1000, SelectionPolicy(max_references=None), 100),
        (60, SelectionPolicy(fraction=1.0, max_references=None), 60),
        (60, SelectionPolicy(fraction=1.0, max_references=7), 7),
        (60, DrawingOptions(num_references=7).selection, 7),
        (5, DrawingOptions(num_references=7).selection, 5),
        (60, DrawingOptions(num_references=7, profiling=False).selection, 60),
        (60, DrawingOptions(num_references=None).selection, 60),
    ],
)
def test_a_policy_says_how_many_references_are_used(history_size, policy, expected):
    assert policy.num_references(history_size) == expected


@given(st.integers(0, 40), st.floats(0.01, 1), st.none() | st.integers(1, 50), st.integers(0, 99))
def test_as_many_are_selected_as_the_policy_says(history_size, fraction, max_references, seed):
    policy = SelectionPolicy(fraction=fraction, max_references=max_references)
    target, history, weights = vectors_of(seed, 1), vectors_of(seed + 1, history_size), [2.0] * history_size
    selected = policy.select(target, history, weights)
    wanted = policy.num_references(history_size)
    assert (wanted > 0) == (history_size > 0)
    assert len(selected.indices) == len(selected.relevance) == wanted
    if history_size:
        expected = select_references(target, history, weights, num_references=wanted)
        assert selected.indices.tolist() == expected.indices.tolist()


def test_a_little_history_that_others_filled_up_is_kept_whole():
    history = vectors_of(1, 6)
    policy = SelectionPolicy()
    assert len(policy.select(vectors_of(0, 1), history, [1.0] * 6).indices) == 1
    assert policy.select(vectors_of(0, 1), history, [1.0] * 6, num_borrowed=2).indices.tolist() == [*range(6)]


@pytest.mark.parametrize(
    "unclear",
    [
        *({"fraction": fraction} for fraction in (0, 1.001, 1.5, float("nan"))),
        *({"max_references": number} for number in (0, 1001)),
        *({"min_references": number, "max_references": None} for number in (0, 1001)),
        {"little_history": 0},
    ],
)
def test_an_unclear_policy_is_refused(unclear):
    with pytest.raises(ValidationError, match="should be"):
        SelectionPolicy(**unclear)


def test_an_option_that_no_policy_has_is_refused():
    with pytest.raises(ValidationError, match="Unexpected keyword argument"):
        SelectionPolicy(share=0.1)


def test_the_least_and_the_most_that_a_policy_may_be_are_allowed():
    SelectionPolicy(fraction=1, max_references=1000, little_history=1)
    SelectionPolicy(fraction=1e-9, max_references=1)
    SelectionPolicy(min_references=1000, max_references=1000)
    SelectionPolicy(min_references=1)


def test_left_alone_a_policy_keeps_the_papers_tenth_at_most_twenty_and_fills_up_to_three():
    usual = {"fraction": 0.1, "max_references": 20, "min_references": 1, "distinctive": False}
    assert asdict(SelectionPolicy()) == usual | {"cold_start": True, "little_history": 3}


def test_nobody_selects_from_an_empty_history():
    selection = SelectionPolicy().select(vectors_of(0, 1), vectors_of(1, 1)[:0], [])
    assert (selection.indices.tolist(), selection.relevance.tolist()) == ([], [])
    assert (selection.indices.dtype, selection.relevance.dtype) == (np.int64, np.float32)


def test_nobody_else_counts_or_selects_references():
    elsewhere = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.alias) and node.name in OWN_WORKS
    }
    assert elsewhere == {"fan_model/method/selection_policy.py"}


def test_a_floor_above_the_ceiling_is_refused():
    with pytest.raises(ValidationError, match="min_references = 30 is above max_references = 20"):
        SelectionPolicy(min_references=30)
    assert SelectionPolicy(min_references=30, max_references=None).num_references(1000) == 100
