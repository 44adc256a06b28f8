"""Who has asked lately, and how much of a batch that leaves to the others."""

import math

import numpy as np
import pytest

from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.service.callers import recent_callers
from fan_model.service.callers.drawing_costs import DrawingCosts
from fan_model.service.callers.recent_callers import RecentCallers

OPTIONS = DrawingOptions(num_inference_steps=1)
ONE = [ArtworkRequest(prompt="western")]


@pytest.fixture
def costs():
    costs = DrawingCosts(own_side=32)
    costs.learn(ONE, OPTIONS, 0.5)
    return costs


def test_a_share_is_the_least_that_another_asked_for_last(costs):
    recent, work = RecentCallers(costs), costs.work(ONE, OPTIONS)
    for caller, number in (("a", 8), ("b", 1), ("c", 4), ("b", 2)):
        recent.note(caller, number * work)
    assert recent.shares(["a", "b", "c", "new"]) == pytest.approx(
        {"a": 1.0, "b": 2.0, "c": 1.0, "new": 1.0}, rel=1e-6
    )


def test_who_is_alone_has_all_of_it(costs):
    recent = RecentCallers(costs)
    assert recent.shares(["a"]) == {"a": math.inf}
    recent.note("a", costs.work(ONE, OPTIONS))
    assert recent.shares(["a"]) == {"a": math.inf}


def test_who_has_not_asked_for_a_minute_is_forgotten(costs, monkeypatch):
    recent = RecentCallers(costs)
    recent.note("gone", np.ones(2))
    monkeypatch.setattr(recent_callers, "REMEMBERED_SECONDS", 0.0)
    assert recent.shares(["a"]) == {"a": math.inf}
    recent.note("a", np.ones(2))
    assert list(recent._asked) == ["a"]
