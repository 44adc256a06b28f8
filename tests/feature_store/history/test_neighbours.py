"""Cold start: who has little history gets references near their target that others liked."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from feature_store.history.histories import make_histories, scan_histories
from feature_store.history.neighbours import NUM_SEARCHED, Neighbours, lend
from feature_store.history.opt_outs import opt_out
from feature_store.vectors.reference_store import ReferenceStore, StoredVectors
from tests.feature_store.logs import (
    DAY,
    ask,
    close,
    hours,
    key_of,
    render,
    take_in_events,
    take_in_items,
    take_in_targets,
)

# Titles that lie on a circle: the closer the angles, the nearer the texts.
ANGLES = {"goal": 0, "near": 5, "far": 90, "disliked": 10, "later": 1, "own": 60, "other goal": 100}
ANGLES |= {"indifferent": 2, "at the very time": 3}


def open_store(folder):
    return ReferenceStore(folder / "references", encoder_fingerprint="e", width=2)


def fill(lake, folder):
    take_in_items(lake, folder, {item: item for item in ANGLES})
    take_in_events(
        lake,
        folder,
        [
            ("e1", "bob", "near", hours(1), 4.0),
            ("e2", "bob", "far", hours(1), 4.0),
            ("e3", "bob", "disliked", hours(1), -1.0),
            ("e4", "bob", "later", hours(20), 4.0),
            ("e5", "cid", "own", hours(1), 3.0),
            ("e6", "cid", "near", hours(2), -2.0),
            ("e7", "bob", "indifferent", hours(1), 0.0),
            ("e8", "bob", "at the very time", hours(10), 4.0),
            ("e9", "dan", "near", hours(20), 4.0),
        ],
    )
    take_in_targets(lake, folder, [("new", "goal", 1), ("cid", "goal", 1)])
    embed(lake, folder)


def embed(lake, folder, angles=ANGLES):
    """Give every text the vectors of its item's place on the circle."""
    render(lake)
    store = open_store(folder)
    for column in ("reference_id", "target_id"):
        rows = [(item, number) for item, number in ask(lake, f"SELECT item_id, {column} FROM items")]
        new = {number: circle(angles[item]) for item, number in rows if len(store.missing([number]))}
        vectors = np.array(list(new.values()), np.float32).reshape(-1, 2)
        store.add(list(new), StoredVectors(vectors, vectors))
    store.save()


@pytest.fixture
def lake(filled):
    return filled


@pytest.fixture
def store(lake, tmp_path):
    return open_store(tmp_path)


def circle(degrees):
    return np.cos(np.radians(degrees)), np.sin(np.radians(degrees))


def filled_up(lake, store, asked, *, size):
    """Rows of the histories of (user, target), as of ten o'clock, filled up to a size."""
    target_ids = dict(ask(lake, "SELECT item_id, target_id FROM items"))
    pairs = pa.table(
        {
            "pair_number": range(len(asked)),
            "user_key": [key_of(lake, user) for user, _ in asked],
            "item_id": [item for _, item in asked],
            "target_id": [target_ids[item] for _, item in asked],
            "as_of": [DAY + timedelta(hours=10)] * len(asked),
        }
    )
    known_before = close(lake).window_end
    histories = scan_histories(lake, pairs, known_before=known_before)
    neighbours = Neighbours(store=store, known_before=known_before, size=size)
    found = neighbours.add(lake, pairs, histories).to_pylist()
    assert filled_up_in_sql(lake, neighbours, pairs) == sorted(map(by_text, found))
    return found


def filled_up_in_sql(lake, neighbours, pairs):
    """The same in relations, as nights of many users do it."""
    connection = lake.cursor()
    connection.register("asked_pairs", pairs)
    histories = make_histories(connection, "asked_pairs", known_before=neighbours.known_before)
    neighbours.fill_up(connection, "asked_pairs", histories)
    return sorted(map(by_text, connection.execute(f"FROM {histories}").to_arrow_table().to_pylist()))


def by_text(row):
    return (row["pair_number"], row["origin"], row["reference_item_id"], row["weight"])


def references(lake, store, user, *, size, target="goal"):
    rows = filled_up(lake, store, [(user, target)], size=size)
    return {(row["reference_item_id"], row["origin"]): row["weight"] for row in rows}


def test_who_has_no_history_gets_what_others_liked_before_nearest_first(lake, store):
    assert references(lake, store, "new", size=1) == {("near", "neighbours"): 1.0}
    assert set(references(lake, store, "new", size=9)) == {
        ("near", "neighbours"),
        ("own", "neighbours"),
        ("far", "neighbours"),
    }


def test_a_little_history_is_filled_up_at_its_own_weight_but_not_with_what_the_user_met(lake, store):
    assert references(lake, store, "cid", size=2) == {("own", "history"): 3.0, ("far", "neighbours"): 3.0}


def test_the_own_target_is_never_its_own_neighbour(lake, store, tmp_path):
    take_in_events(lake, tmp_path, [("e10", "bob", "goal", hours(1), 9.0)], name="goal")
    assert ("goal", "neighbours") not in references(lake, store, "new", size=9)


def test_what_the_user_meets_only_after_the_time_is_not_met_yet(lake, store, tmp_path):
    take_in_events(lake, tmp_path, [("e11", "cid", "far", hours(15), 1.0)], name="after")
    assert ("far", "neighbours") in references(lake, store, "cid", size=2)


def test_who_comes_to_dislike_something_has_lent_it_until_then(lake, store, tmp_path):
    take_in_events(lake, tmp_path, [("e17", "bob", "near", hours(10), -9.0)], name="dislikes at that time")
    assert ("near", "neighbours") in references(lake, store, "new", size=9)
    take_in_events(lake, tmp_path, [("e18", "bob", "near", hours(5), -9.0)], name="dislikes before")
    assert ("near", "neighbours") not in references(lake, store, "new", size=9)


def test_a_text_that_was_liked_twice_is_lent_once(lake, store, tmp_path):
    changes = [("e17", "bob", "near", hours(2), -9.0), ("e18", "bob", "near", hours(3), 9.0)]
    take_in_events(lake, tmp_path, changes, name="changes")
    rows = filled_up(lake, store, [("new", "goal")], size=9)
    assert sorted(row["reference_item_id"] for row in rows) == ["far", "near", "own"]


def test_nobody_gets_what_only_those_liked_who_opted_out(lake, store):
    opt_out(lake, "bob")
    assert references(lake, store, "new", size=9) == {("own", "neighbours"): 1.0}


def test_a_little_history_is_filled_up_to_the_size_and_no_further(lake, store, tmp_path):
    take_in_events(lake, tmp_path, [("e17", "eve", "other goal", hours(1), 1.0)], name="more")
    assert set(references(lake, store, "cid", size=2)) == {("own", "history"), ("far", "neighbours")}


def test_who_has_enough_history_gets_nothing_from_others(lake, store):
    assert references(lake, store, "bob", size=2) == {("near", "history"): 4.0, ("far", "history"): 4.0}


def test_each_pair_is_filled_up_with_the_neighbours_of_its_own_target_by_what_its_own_user_met(lake, store):
    asked = [("new", "goal"), ("new", "other goal"), ("cid", "other goal"), ("bob", "goal")]
    rows = filled_up(lake, store, asked, size=2)
    order = [(row["pair_number"], row["origin"], row["reference_id"]) for row in rows]
    assert order == sorted(order)
    found = [{r["reference_item_id"] for r in rows if r["pair_number"] == pair} for pair in range(4)]
    assert found == [{"near", "own"}, {"far", "own"}, {"own", "far"}, {"near", "far"}]
    assert [row["origin"] for row in rows if row["pair_number"] == 3] == ["history"] * 2


def test_neighbours_weigh_what_the_users_own_references_do_on_average(lake, store, tmp_path):
    take_in_events(lake, tmp_path, [("e12", "cid", "far", hours(3), 6.0)], name="more")
    take_in_events(lake, tmp_path, [("e13", "bob", "other goal", hours(3), 6.0)], name="of others")
    found = references(lake, store, "cid", size=3)
    assert found == {
        ("own", "history"): 3.0, ("far", "history"): 6.0, ("other goal", "neighbours"): 4.5
    }  # fmt: skip


def test_a_text_stands_for_the_item_with_it_that_was_liked_first(lake, store, tmp_path):
    take_in_items(lake, tmp_path, {"twin": "near"}, name="twins")
    take_in_events(lake, tmp_path, [("e14", "eve", "twin", hours(0), 1.0)], name="eve")
    render(lake)
    assert set(references(lake, store, "new", size=1)) == {("twin", "neighbours")}


def test_no_item_with_the_text_of_the_target_is_a_neighbour(lake, store, tmp_path):
    take_in_items(lake, tmp_path, {"twin": "goal", "poster": "goal poster"}, name="twins")
    liked = [("e15", "bob", "twin", hours(1), 1.0), ("e16", "bob", "poster", hours(1), 1.0)]
    take_in_events(lake, tmp_path, liked, name="twins liked")
    embed(lake, tmp_path, ANGLES | {"twin": 0, "poster": 0})
    found = references(lake, open_store(tmp_path), "new", size=9)
    assert {item for item, _ in found} == {"near", "own", "far"}


def test_texts_that_nobody_likes_take_no_place_among_those_that_are_looked_up(lake, store, tmp_path):
    crowd = {f"nobody's {number}": number / 100 for number in range(NUM_SEARCHED)}
    take_in_items(lake, tmp_path, {item: item for item in crowd}, name="crowd")
    embed(lake, tmp_path, ANGLES | crowd)
    assert set(references(lake, open_store(tmp_path), "new", size=1)) == {("near", "neighbours")}


def lent(lake, store, user, prompt, *, size=9, angle=0):
    """Texts that are lent to who asks for a picture now, of a prompt at an angle."""
    vector = np.array([circle(angle)], np.float32)
    return lend(lake, store, vector, key_of(lake, user), prompt, size=size)["text"].to_pylist()


def test_who_asks_for_a_picture_is_lent_what_others_like_nearest_first(lake, store):
    assert lent(lake, store, "new", "a prompt") == ["later", "at the very time", "near", "own", "far"]
    assert lent(lake, store, "new", "a prompt", size=2) == ["later", "at the very time"]
    assert lent(lake, store, "new", "a prompt", angle=90)[:2] == ["far", "own"]


def test_who_asks_is_lent_nothing_of_their_own_and_no_text_of_what_they_ask_for(lake, store):
    assert lent(lake, store, "bob", "a prompt") == ["own"]
    (prompt,) = ask(lake, "SELECT target_text FROM items WHERE item_id = 'far'")
    assert "far" not in lent(lake, store, "new", *prompt)
    assert "own" in lent(lake, store, "new", *prompt)
