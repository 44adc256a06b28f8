"""Cold start: who has little history gets references near their target that others liked."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from feature_store.history.histories import scan_histories
from feature_store.history.neighbours import add_neighbours
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
ANGLES = {"goal": 0, "near": 5, "far": 90, "disliked": 10, "later": 1, "own": 60}


def open_store(folder):
    return ReferenceStore(folder / "references", encoder_revision="e", width=2)


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
        ],
    )
    take_in_targets(lake, folder, [("new", "goal", 1), ("cid", "goal", 1)])
    render(lake)
    store = open_store(folder)
    for column in ("reference_id", "target_id"):
        rows = ask(lake, f"SELECT item_id, {column} FROM items")
        vectors = np.array([circle(ANGLES[item]) for item, _ in rows], np.float32)
        store.add([number for _, number in rows], StoredVectors(vectors, vectors))
    store.save()


@pytest.fixture
def lake(filled):
    return filled


@pytest.fixture
def store(lake, tmp_path):
    return open_store(tmp_path)


def circle(degrees):
    return np.cos(np.radians(degrees)), np.sin(np.radians(degrees))


def references(lake, store, user, *, size):
    ((target_id,),) = ask(lake, "SELECT target_id FROM items WHERE item_id = 'goal'")
    pair = {
        "pair_number": [0],
        "user_key": [key_of(lake, user)],
        "item_id": ["goal"],
        "target_id": [target_id],
    }
    pairs = pa.table(pair | {"as_of": [DAY + timedelta(hours=10)]})
    known_before = close(lake).window_end
    histories = scan_histories(lake, pairs, known_before=known_before)
    found = add_neighbours(lake, store, pairs, histories, known_before=known_before, size=size)
    return {(row["reference_item_id"], row["origin"]): row["weight"] for row in found.to_pylist()}


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
    take_in_events(lake, tmp_path, [("e7", "bob", "goal", hours(1), 9.0)], name="goal")
    assert ("goal", "neighbours") not in references(lake, store, "new", size=9)


def test_what_the_user_meets_only_after_the_time_is_not_met_yet(lake, store, tmp_path):
    take_in_events(lake, tmp_path, [("e8", "cid", "far", hours(15), 1.0)], name="after")
    assert ("far", "neighbours") in references(lake, store, "cid", size=2)


def test_nobody_gets_what_only_those_liked_who_opted_out(lake, store):
    opt_out(lake, "bob")
    assert references(lake, store, "new", size=9) == {("own", "neighbours"): 1.0}


def test_who_has_enough_history_gets_nothing_from_others(lake, store):
    assert references(lake, store, "bob", size=2) == {("near", "history"): 4.0, ("far", "history"): 4.0}
