"""Which errors may go away by themselves, and tasks that run one after another."""

import duckdb
import pytest

from flows.stages.task_map import IN_TURN, is_worth_retrying


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("the network drops"),
        TimeoutError("nobody answers"),
        duckdb.Error("database is locked"),
    ],
)
def test_what_may_go_away_is_worth_another_try(error):
    assert is_worth_retrying(error)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), FileNotFoundError("gone"), duckdb.Error("no such table"), None]
)
def test_what_stays_is_not(error):
    assert not is_worth_retrying(error)


def test_tasks_run_in_the_items_order():
    seen = []
    made = IN_TURN.map("note", lambda item: seen.append(item) or -item, [3, 1, 2])
    assert list(made) == [-3, -1, -2]
    assert seen == [3, 1, 2]
    assert IN_TURN.run("once", lambda: "made") == "made"
