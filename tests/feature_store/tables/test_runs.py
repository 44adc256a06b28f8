"""Runs: their windows tile, a stopped one is carried on, and what the clock reaches is looked at again."""

from datetime import UTC, datetime, timedelta

import pytest

from feature_store.tables.runs import (
    ClockError,
    close_window,
    fail_run,
    open_run,
    publish_run,
    read_last_published,
    read_run,
    record_stage,
)
from tests.feature_store.intake.test_source_files import write_states
from tests.feature_store.logs import ask, hours, key_of, take_in_events, users_of


def test_the_windows_of_published_runs_follow_one_another_half_open(lake):
    for _ in range(3):
        publish_run(lake, close_window(lake, open_run(lake)))
    windows = ask(lake, "SELECT window_start, window_end FROM runs ORDER BY window_end")
    assert [start for start, _ in windows] == [None, *[end for _, end in windows[:-1]]]
    assert len({end for _, end in windows}) == 3


def test_a_run_that_failed_is_carried_on_with_its_window_until_it_is_published(lake):
    run = close_window(lake, open_run(lake))
    fail_run(lake, run, "embed stopped: KeyError")
    assert read_run(lake, run.run_id).status == "failed"
    assert open_run(lake) == run
    assert ask(lake, "SELECT status, reason FROM runs") == [("running", None)]
    publish_run(lake, run)
    later = open_run(lake)
    assert later.run_id != run.run_id
    assert later.window_start == run.window_end
    assert read_last_published(lake).run_id == run.run_id


def test_a_stage_that_runs_twice_has_its_counts_added_up(lake):
    run = open_run(lake)
    record_stage(lake, run, "generate", {"generated": 2}, 1.5)
    record_stage(lake, run, "generate", {"generated": 3, "failed": 1}, 2.0)
    row = read_run(lake, run.run_id)
    assert row.counts == {"generate": {"generated": 5, "failed": 1}}
    assert row.seconds == {"generate": 3.5}


def test_what_there_is_was_not_added_to_by_looking_at_it_again(lake):
    run = open_run(lake)
    record_stage(lake, run, "embed", {"texts_encoded": 9, "references": 9, "crowd_texts": 6}, 1.0)
    record_stage(lake, run, "embed", {"texts_encoded": 1, "references": 10, "crowd_texts": 6}, 1.0)
    assert read_run(lake, run.run_id).counts["embed"] == {
        "texts_encoded": 10,
        "references": 10,
        "crowd_texts": 6,
    }


def test_readers_see_nothing_before_a_night_is_published_and_then_all_of_it(lake):
    run = open_run(lake)
    insert = (
        f"INSERT INTO night.targets VALUES ({key_of(lake, 'ann')}, 'i1', 1, NULL, NULL, 's', 'given', 'n')"
    )
    lake.write(lambda connection: connection.execute(insert), "a target")
    assert ask(lake, "SELECT count(*) FROM targets") == [(0,)]
    snapshot_id = publish_run(lake, run)
    assert ask(lake, "SELECT count(*) FROM targets") == [(1,)]
    assert ask(lake, "SELECT status, snapshot_id FROM runs") == [("published", snapshot_id)]


def states_left(lake, tmp_path, *, publish, close=True):
    """End a window before ann's event and the next one after it; return whose states are left."""
    take_in_events(lake, tmp_path, [(name, name, "i1", hours(1), 1.0) for name in ("ann", "bob")])
    run = close_window(lake, open_run(lake))
    write_states(lake, ("ann", "bob"))
    own = "UPDATE night.target_states SET run_id = ?"
    lake.write(lambda connection: connection.execute(own, [run.run_id]), "as this run made them")
    move = "UPDATE keyed.interactions SET event_time = ? WHERE interaction_id = 'ann'"
    soon = run.window_end + timedelta(microseconds=1)
    lake.write(lambda connection: connection.execute(move, [soon]), "as if it was to happen soon")
    if publish:
        publish_run(lake, run)
    later = open_run(lake)
    if close:
        close_window(lake, later)
    return users_of(lake, "night.target_states")


def test_users_whose_future_events_the_next_window_reaches_are_looked_at_again(lake, tmp_path):
    assert states_left(lake, tmp_path, publish=True) == ["bob"]


def test_so_are_those_of_a_run_that_is_carried_on_later(lake, tmp_path):
    assert states_left(lake, tmp_path, publish=False) == ["bob"]


def test_a_night_that_takes_nothing_in_looks_at_them_again_too(lake, tmp_path):
    assert states_left(lake, tmp_path, publish=True, close=False) == ["bob"]


def test_a_clock_that_was_set_back_hides_nothing_that_was_taken_in(lake, tmp_path):
    take_in_events(lake, tmp_path, [("e1", "ann", "i1", hours(1), 1.0)])
    ahead = "UPDATE keyed.ingested_files SET ingested_at = ingested_at + INTERVAL 1 HOUR"
    lake.write(lambda connection: connection.execute(ahead), "as if the clock had been an hour ahead")
    first = close_window(lake, open_run(lake))
    ((ingested_at,),) = ask(lake, "SELECT ingested_at FROM ingested_files")
    assert ingested_at < first.window_end
    publish_run(lake, first)
    assert close_window(lake, open_run(lake)).window_end >= first.window_end


@pytest.mark.parametrize(
    ("moved", "what"), [("- INTERVAL 400 DAY", "more than a year after"), ("+ INTERVAL 3 HOUR", "before the")]
)
def test_a_clock_that_says_what_cannot_be_stops_the_night_unless_it_is_right(moved, what, lake):
    publish_run(lake, close_window(lake, open_run(lake)))
    lake.write(
        lambda connection: connection.execute(f"UPDATE runs SET window_end = window_end {moved}"), "moved"
    )
    before = ask(lake, "FROM runs")
    with pytest.raises(ClockError, match=f"which is {what}.*FAN_ACCEPT_CLOCK"):
        open_run(lake)
    assert ask(lake, "FROM runs") == before
    assert open_run(lake, accepts_clock=True).run_id != before[0][0]


def test_records_that_a_slow_clock_called_future_ones_are_looked_at_again(lake, tmp_path):
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    events = [("e1", "ann", "i1", hours(1), 1.0), ("e2", "ann", "i2", ahead, 1.0)]
    assert take_in_events(lake, tmp_path, events).rejected == 1
    assert take_in_events(lake, tmp_path, events) is None
    days_ago = (
        "UPDATE {} SET ingested_at = ingested_at - INTERVAL 3 DAY "
        "WHERE ingested_at = (SELECT min(ingested_at) FROM {})"
    )
    for table in ("keyed.rejected_rows", "keyed.ingested_files"):
        statement = days_ago.format(table, table)
        lake.write(lambda connection, sql=statement: connection.execute(sql), "three days ago")
    again = take_in_events(lake, tmp_path, events)
    assert (again.accepted, again.duplicate, again.rejected) == (0, 1, 1)
    assert take_in_events(lake, tmp_path, events) is None
