"""A history as of a time holds what happened before then, as far as it was known, and nothing else."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.history.histories import scan_histories
from feature_store.lake.lake import Lake
from tests.feature_store.logs import DAY, ask, hours, key_of, render, take_in_events, take_in_items

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
TITLES = {f"i{number}": f"Title {number}" for number in range(4)} | {"twin": "Title 1"}


def history(lake, *, user="ann", item="goal", as_of=24, known_before=FUTURE):
    pairs = pa.table(
        {"pair_number": [0], "user_key": [key_of(lake, user)], "item_id": [item]}
        | {"as_of": [DAY + timedelta(hours=as_of)]}
    )
    rows = scan_histories(lake, pairs, known_before=known_before).to_pylist()
    return {row["reference_item_id"]: row["weight"] for row in rows}


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


events = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["i0", "i1", "i2"]),
        st.integers(0, 5),
        st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
    ),
    max_size=12,
)


@settings(max_examples=6, deadline=None)
@given(events=events)
def test_a_history_is_what_adding_up_the_earlier_events_gives(events, tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    lake = Lake(folder / "lake")
    rows = [(f"e{n}", user, item, hours(hour), weight) for n, (user, item, hour, weight) in enumerate(events)]
    take_in(lake, folder, rows)
    assert ask(lake, "SELECT count(*) FROM interactions") == [(len(events),)]
    for user in ("ann", "bob"):
        for as_of in range(7):
            expected = {}
            for who, item, hour, weight in events:
                if who == user and hour < as_of:
                    expected[item] = expected.get(item, 0.0) + weight
            assert history(lake, user=user, as_of=as_of) == {i: w for i, w in expected.items() if w > 0}
    lake.close()
