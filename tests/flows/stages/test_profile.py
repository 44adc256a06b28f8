"""Profiling: which references are kept of a pair's own and of those that others lent, and what rows say."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from fan_model.method.selection_policy import SelectionPolicy
from feature_store.vectors.reference_store import ReferenceStore, StoredVectors
from flows.settings import Settings
from flows.stages.profile import ProfileOrigin, profile_rows

TARGET = 0
OWN, LENT = "history", "neighbours"
SETTINGS = Settings(sources=[{"adapter": "movielens", "path": "logs"}], profile=SelectionPolicy(fraction=0.5))


@pytest.fixture
def store(tmp_path):
    """Vectors of a target and of six references: the higher the number, the further from the target."""
    angles = np.linspace(0, 1, 7)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    store = ReferenceStore(tmp_path / "references", encoder_fingerprint="e", width=2)
    store.add(np.arange(7), StoredVectors(vectors, vectors))
    return store


def candidates(*histories):
    """What there is to select from for pairs of user 1 and an item each: origins of references 1, 2, ..."""
    rows = [
        {
            "bucket": 2,
            "pair_number": number,
            "user_key": 1,
            "item_id": f"i{number}",
            "target_id": TARGET,
            "as_of": datetime(2024, 5, 1, tzinfo=UTC),
            "reference_item_id": place and f"liked {place}",
            "reference_id": place,
            "weight": place and 1.0,
            "origin": origin,
        }
        for number, origins in enumerate(histories, start=10)
        for place, origin in (enumerate(origins, start=1) if origins else [(None, None)])
    ]
    return pa.Table.from_pylist(rows)


def profiled(store, *histories):
    """The pairs, and of each row its item, its reference and the size of the history that it came from."""
    pairs, rows = profile_rows(
        SETTINGS, store, candidates(*histories), ProfileOrigin("e", "recipe", "run", 1)
    )
    return pairs["item_id"].to_pylist(), [(row.item_id, row.reference_id, row.history_size) for row in rows]


def test_of_a_history_the_share_of_the_settings_is_kept_and_its_whole_size_recorded(store):
    _, rows = profiled(store, [OWN] * 6)
    assert [size for _, _, size in rows] == [6, 6, 6]


def test_a_little_history_that_others_filled_up_is_kept_whole_and_what_is_lent_is_not_its_size(store):
    _, rows = profiled(store, [OWN, LENT, LENT])
    assert sorted(rows) == [("i10", 1, 1), ("i10", 2, 1), ("i10", 3, 1)]


def test_a_pair_without_anything_to_select_from_has_no_row_and_takes_none_of_others(store):
    pairs, rows = profiled(store, [OWN, OWN], [], [LENT])
    assert pairs == ["i10", "i11", "i12"]
    assert [(item, size) for item, _, size in rows] == [("i10", 2), ("i12", 0)]
