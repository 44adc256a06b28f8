"""How much of events and given lists meets the catalogue, and when somebody has to look."""

import pyarrow as pa

from feature_store.history.joins import describe_joins
from feature_store.tables.runs import open_run
from feature_store.tables.targets import replace_targets
from tests.feature_store.logs import ask, take_in_events, take_in_items, take_in_targets


def test_joins_that_meet_little_are_told_with_ids_of_both_sides(lake, tmp_path):
    take_in_events(lake, tmp_path, [("e1", "ann", "film-1", "2024-05-01", 1.0)])
    take_in_items(lake, tmp_path, {"1": "Alpha"})
    ((severity, message),) = describe_joins(lake)
    assert severity == "warning"
    assert (
        message
        == "0.0% of 1 events meet an item of a catalogue: no catalogue has 'film-1'; the catalogues have '1'"
    )


def test_nobody_has_to_look_where_nine_of_ten_events_meet_the_catalogue(lake, tmp_path):
    take_in_items(lake, tmp_path, {"1": "Alpha"})
    met = [(f"e{number}", "ann", "1", "2024-05-01", 1.0) for number in range(9)]
    take_in_events(lake, tmp_path, [*met, ("e9", "ann", "2", "2024-05-01", 1.0)])
    assert [*describe_joins(lake)] == [("note", "90.0% of 10 events meet an item of a catalogue")]


def test_given_lists_are_told_after_events_or_alone(lake, tmp_path):
    take_in_items(lake, tmp_path, {"1": "Alpha", "2": "Beta"})
    assert [*describe_joins(lake)] == []
    take_in_targets(lake, tmp_path, [("ann", "1", 1), ("ann", "2", 2), ("bob", "1", 1), ("bob", "x", 2)])
    unmet = "no catalogue has 'x'; the catalogues have '1' and '2'"
    told = ("warning", f"75.0% of 4 targets meet an item of a catalogue: {unmet}")
    assert [*describe_joins(lake)] == [told]
    take_in_events(lake, tmp_path, [("e1", "ann", "1", "2024-05-01", 1.0)])
    assert [*describe_joins(lake)] == [("note", "100.0% of 1 events meet an item of a catalogue"), told]


def test_two_different_ids_are_the_example(lake, tmp_path):
    events = [(f"e{number}", "ann", item, "2024-05-01", 1.0) for number, item in enumerate("xxyyzz")]
    take_in_events(lake, tmp_path, events)
    ((_, message),) = describe_joins(lake)
    assert message.endswith("no catalogue has 'x' and 'y'; the catalogues have nothing")


def test_targets_made_of_the_events_of_before_are_not_told_as_joins(lake, tmp_path):
    take_in_events(lake, tmp_path, [("e1", "ann", "1", "2024-05-01", 1.0)])
    take_in_items(lake, tmp_path, {"1": "Alpha"})
    run = open_run(lake)
    keys = [key for (key,) in ask(lake, "SELECT user_key FROM keyed.users")]
    made = pa.table(
        {
            "user_key": pa.array(keys, pa.int64()),
            "item_id": ["gone"],
            "rank": pa.array([1], pa.int32()),
            "score": pa.nulls(1, pa.float64()),
            "as_of": pa.nulls(1, pa.timestamp("us", "UTC")),
        }
    )
    replace_targets(lake, run, keys, made, source="latest", recipe_digest="made")
    assert ask(lake, "SELECT item_id FROM night.targets") == [("gone",)]
    assert [message for _, message in describe_joins(lake)] == [
        "100.0% of 1 events meet an item of a catalogue"
    ]
