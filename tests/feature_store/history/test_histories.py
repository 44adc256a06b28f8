"""A history as of a time holds what happened before then, as far as it was known, and nothing else."""

import itertools
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.history.histories import (
    count_unknown_items,
    make_histories,
    scan_histories,
    stream_candidates,
)
from tests.feature_store.logs import DAY, hours, key_of, render, take_in_events, take_in_items

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
TITLES = {f"i{number}": f"Title {number}" for number in range(4)} | {"twin": "Title 1"}


def histories(lake, asked, *, known_before=FUTURE):
    """The weight of each reference, for each (user, target, hour) that is asked for."""
    users, items, as_ofs = zip(*asked, strict=True)
    keys = {user: key_of(lake, user) for user in set(users)}
    pairs = pa.table(
        {
            "pair_number": range(len(asked)),
            "user_key": [keys[user] for user in users],
            "item_id": items,
        }
        | {"as_of": [DAY + timedelta(hours=hour) for hour in as_ofs]}
    )
    found = [{} for _ in asked]
    for row in scan_histories(lake, pairs, known_before=known_before).to_pylist():
        found[row["pair_number"]][row["reference_item_id"]] = row["weight"]
    return found


def history(lake, *, user="ann", item="goal", as_of=24, known_before=FUTURE):
    return histories(lake, [(user, item, as_of)], known_before=known_before)[0]


def take_in(lake, folder, events):
    take_in_items(lake, folder, TITLES)
    take_in_events(lake, folder, events)
    render(lake)


def test_an_event_at_the_very_time_is_not_history_yet(lake, tmp_path):
    take_in(lake, tmp_path, [("e1", "ann", "i1", hours(1), 1.0), ("e2", "ann", "i2", hours(2), 1.0)])
    assert history(lake, as_of=2) == {"i1": 1.0}
    assert history(lake, as_of=2.001) == {"i1": 1.0, "i2": 1.0}


def test_what_was_ingested_later_was_not_known(lake, tmp_path):
    take_in(lake, tmp_path, [("e1", "ann", "i1", hours(1), 1.0)])
    before = datetime.now(UTC)
    take_in_events(lake, tmp_path, [("e2", "ann", "i2", hours(0), 1.0)], name="late")
    assert history(lake, known_before=before) == {"i1": 1.0}
    assert history(lake) == {"i1": 1.0, "i2": 1.0}


def test_equal_texts_are_one_reference_with_their_weights_added_up(lake, tmp_path):
    events = [
        ("e1", "ann", "i1", hours(1), 1.0),
        ("e2", "ann", "twin", hours(2), 2.0),
        ("e3", "ann", "i1", hours(1), 4.0),
    ]
    take_in(lake, tmp_path, events)
    assert history(lake) == {"twin": 7.0}


def test_the_target_itself_dislikes_and_unknown_items_are_no_references(lake, tmp_path):
    events = [
        ("e1", "ann", "i1", hours(1), 3.0),
        ("e2", "ann", "i2", hours(1), 1.0),
        ("e3", "ann", "i2", hours(2), -1.0),
        ("e4", "ann", "unknown", hours(1), 5.0),
        ("e5", "ann", "i3", hours(1), 5.0),
        ("e6", "bob", "i0", hours(1), 5.0),
    ]
    take_in(lake, tmp_path, events)
    assert history(lake, item="i3") == {"i1": 3.0}


def test_references_come_in_the_order_of_the_pairs_and_of_their_ids(lake, tmp_path):
    events = [(f"{user}-{item}", user, item, hours(1), 1.0) for user in ("ann", "bob") for item in TITLES]
    take_in(lake, tmp_path, events)
    pairs = pa.table(
        {"pair_number": [1, 0], "user_key": [key_of(lake, "ann"), key_of(lake, "bob")]}
        | {"item_id": ["goal"] * 2, "as_of": [DAY + timedelta(hours=2)] * 2}
    )
    rows = scan_histories(lake, pairs, known_before=FUTURE).to_pylist()
    order = [(row["pair_number"], row["reference_id"]) for row in rows]
    assert order == sorted(order)
    assert [number for number, _ in order] == [0] * 4 + [1] * 4
    assert {row["origin"] for row in rows} == {"history"}


def test_candidates_come_pair_by_pair_and_a_pair_without_any_has_one_row(lake, tmp_path):
    liked = {"ann": ["i1", "i2"], "bob": ["i3"], "cid": []}
    events = [(f"{who}-{item}", who, item, hours(1), 2.0) for who, items in liked.items() for item in items]
    take_in(lake, tmp_path, [*events, ("soon", "cid", "i1", hours(9), 1.0)])
    pairs = pa.table(
        {
            "bucket": [7] * 3,
            "pair_number": [2, 1, 0],
            "user_key": [key_of(lake, user) for user in liked],
            "item_id": ["goal"] * 3,
            "target_id": [5] * 3,
            "as_of": [DAY + timedelta(hours=2)] * 3,
        }
    )
    connection = lake.cursor()
    connection.register("asked", pairs)
    histories = make_histories(connection, "asked", known_before=FUTURE)
    connection.execute(
        f"INSERT INTO {histories} SELECT 1, 'i0', -1, 9.0, 'alike' UNION ALL SELECT 1, 'i0', -2, 9.0, 'alike'"
    )
    rows = stream_candidates(connection, "asked", histories).read_all().to_pylist()
    found = [(row["pair_number"], row["origin"], row["reference_item_id"], row["weight"]) for row in rows]
    assert found[0] == (0, None, None, None)
    assert found[1:4] == [(1, "alike", "i0", 9.0)] * 2 + [(1, "history", "i3", 2.0)]
    assert sorted(found[4:]) == [(2, "history", "i1", 2.0), (2, "history", "i2", 2.0)]
    order = [row["reference_id"] for row in rows if row["reference_id"] is not None]
    assert order[:2] == [-2, -1]
    assert order[3:] == sorted(order[3:])
    assert {(row["bucket"], row["target_id"], row["as_of"]) for row in rows} == {
        (7, 5, DAY + timedelta(hours=2))
    }
    assert [row["user_key"] for row in rows[:2]] == [key_of(lake, "cid"), key_of(lake, "bob")]


def test_items_that_the_catalogue_does_not_know_are_counted_once_each(lake, tmp_path):
    met = ["i1", "gone", "gone", "lost"]
    take_in(lake, tmp_path, [(f"e{n}", "ann", item, hours(n), 1.0) for n, item in enumerate(met)])
    assert count_unknown_items(lake) == 2


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["i0", "i1", "i2"]),
        st.integers(0, 5),
        st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
    ),
    max_size=12,
)


def weights_before(events, user, as_of):
    """What a user's events of before an hour add up to, item by item."""
    weights = {}
    for who, item, hour, weight in events:
        if who == user and hour < as_of:
            weights[item] = weights.get(item, 0.0) + weight
    return {item: weight for item, weight in weights.items() if weight > 0}


@pytest.mark.whole
def test_a_history_is_what_adding_up_the_earlier_events_gives(lake, tmp_path):
    take_in_items(lake, tmp_path, TITLES)
    render(lake)
    examples = itertools.count()

    @settings(max_examples=8)
    @given(events=EVENTS)
    def hold(events):
        name = f"example{next(examples)}"
        rows = [
            (f"{name}-{n}", user + name, item, hours(hour), weight)
            for n, (user, item, hour, weight) in enumerate(events)
        ]
        take_in_events(lake, tmp_path, rows, name=name)
        asked = [(user, as_of) for user in ("ann", "bob") for as_of in range(7)]
        found = histories(lake, [(user + name, "goal", as_of) for user, as_of in asked])
        assert found == [weights_before(events, user, as_of) for user, as_of in asked]

    hold()
