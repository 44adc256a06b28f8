"""What pictures cost is learnt from how long batches took."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.drawing.artist import ArtworkRequest, DrawingOptions
from fan_model.service.callers.drawing_costs import SHORTEST_SECONDS, DrawingCosts

OPTIONS = DrawingOptions(num_inference_steps=10)


def request(num_references):
    return ArtworkRequest(prompt="x", references=tuple(f"r{number}" for number in range(num_references)))


def test_while_nothing_is_known_a_picture_costs_next_to_nothing():
    costs = DrawingCosts(64)
    assert not costs.is_known
    assert costs.expect(request(100), OPTIONS) == SHORTEST_SECONDS


def test_texts_and_pixels_are_told_apart_once_batches_differ():
    costs = DrawingCosts(64)
    true = {"text": 0.01, "picture": 0.5}
    for num_references in (0, 100, 3, 50):
        seconds = true["text"] * (1 + num_references) + true["picture"]
        costs.learn([request(num_references)], OPTIONS, seconds)
    assert abs(costs.expect(request(1000), OPTIONS) - 10.51) < 0.01
    assert abs(costs.expect(request(0), replace(OPTIONS, num_inference_steps=20)) - 1.01) < 0.01


def test_a_picture_costs_what_its_pixels_and_steps_do_whichever_side_is_longer():
    costs = DrawingCosts(64)
    assert costs.work([request(2)], OPTIONS).tolist() == [3.0, 64 * 64 * 10 / 1000]
    wide = replace(OPTIONS, height=32, width=128)
    assert costs.work([request(0), request(2)], wide).tolist() == [4.0, 2 * 64 * 64 * 10 / 1000]


def learnt(first, second):
    """Costs after two batches of one picture, each (references, steps, seconds)."""
    costs = DrawingCosts(64)
    for num_references, steps, seconds in (first, second):
        costs.learn([request(num_references)], replace(OPTIONS, num_inference_steps=steps), seconds)
        assert costs.is_known
    return costs


def test_where_pixels_would_cost_less_than_nothing_texts_pay_for_all_and_later_batches_count_more():
    costs = learnt((0, 1, 1.0), (9, 2, 11.0))
    a_text = (0.9 * 1 * 1.0 + 10 * 11.0) / (0.9 * 1 + 10 * 10)
    assert costs.take(np.array([2.0, 0.0])) == pytest.approx(2 * a_text)
    assert costs.take(np.array([0.0, 5.0])) == SHORTEST_SECONDS


def test_where_texts_would_cost_less_than_nothing_pixels_pay_for_all():
    costs = learnt((0, 1, 1.0), (1, 10, 11.0))
    a_step = (0.9 * 1 * 1.0 + 10 * 11.0) / (0.9 * 1 + 10 * 10)
    assert costs.take(np.array([0.0, 64 * 64 / 1000])) == pytest.approx(a_step)
    assert costs.take(np.array([5.0, 0.0])) == SHORTEST_SECONDS


@given(
    batches=st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 200), st.floats(0.001, 100)), min_size=1, max_size=8
    ),
    references=st.integers(0, 100),
)
def test_more_references_and_more_steps_never_cost_less(batches, references):
    costs = DrawingCosts(64)
    for num_references, steps, seconds in batches:
        costs.learn([request(num_references)], replace(OPTIONS, num_inference_steps=steps), seconds)
    cheap = costs.expect(request(references), OPTIONS)
    assert cheap >= SHORTEST_SECONDS
    assert costs.expect(request(references + 1), OPTIONS) >= cheap
    assert costs.expect(request(references), replace(OPTIONS, num_inference_steps=11)) >= cheap
