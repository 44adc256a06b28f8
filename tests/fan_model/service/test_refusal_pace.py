"""Refusals at a pace: nobody honest waits for one, and nobody gets more than the pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.service.callers.refusal_pace import AT_ONCE, LONGEST_HOLD, REFUSALS_PER_SECOND, RefusalPace


def test_the_first_refusals_are_told_at_once_and_the_others_wait_for_their_turn():
    pace = RefusalPace()
    delays = [pace.delay("a", 100.0) for _ in range(AT_ONCE + 10)]
    assert delays[:AT_ONCE] == pytest.approx([0.0] * AT_ONCE, abs=1e-9)
    assert delays[AT_ONCE:] == pytest.approx([number / REFUSALS_PER_SECOND for number in range(1, 11)])


def test_one_callers_refusals_keep_nobody_else_waiting():
    pace = RefusalPace()
    for _ in range(1000):
        pace.delay("a", 100.0)
    assert pace.delay("a", 100.0) == LONGEST_HOLD
    assert pace.delay("b", 100.0) == 0.0


@given(st.lists(st.floats(0, 3), max_size=200))
def test_no_second_has_more_refusals_of_a_caller_than_the_pace_and_what_is_told_at_once(waits):
    pace, now, told = RefusalPace(), 100.0, []
    for wait in waits:
        now += wait
        told.append(now + pace.delay("a", now))
    assert told == sorted(told)
    for number, moment in enumerate(told):
        within = sum(moment <= other < moment + 1 for other in told[number:])
        assert within <= REFUSALS_PER_SECOND + AT_ONCE + 1


def test_who_was_not_refused_for_a_while_is_forgotten():
    pace = RefusalPace()
    pace.delay("a", 100.0)
    pace.delay("b", 200.0)
    assert list(pace._due) == ["b"]
