import math
import random

import duckdb
import pyarrow as pa
import pytest

from feature_store.schemas import TARGETS
from recsys_adapters.recommenders.implicit_recommender import MODELS, recommend_targets


def log(*events) -> pa.Table:
    users, items, weights = zip(*events, strict=True) if events else ((), (), ())
    return pa.table(
        {
            "user_key": pa.array(users, pa.int64()),
            "item_id": pa.array(items, pa.string()),
            "weight": pa.array(weights, pa.float64()),
        }
    )


@pytest.fixture
def taste_log():
    """Two tastes: users of even number like the items a0 to a5, the others b0 to b5; each skips one."""
    return [
        (user, f"{'ab'[user % 2]}{item}", 1.0 + item % 3)
        for user in range(12)
        for item in range(6)
        if item != user // 2
    ]


@pytest.mark.parametrize("model", MODELS)
def test_the_item_that_people_of_the_same_taste_like_comes_first(taste_log, model):
    targets = recommend_targets(log(*taste_log), [3, 0], num_targets=1, model=model, seed=1)
    assert targets.select(["user_key", "item_id", "rank"]).to_pylist() == [
        {"user_key": 3, "item_id": "b1", "rank": 1},
        {"user_key": 0, "item_id": "a0", "rank": 1},
    ]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("huge", [1e30, 1e300])
@pytest.mark.parametrize("seed", range(5))
def test_a_weight_beyond_all_measure_leaves_others_their_items(taste_log, model, huge, seed):
    targets = recommend_targets(
        log(*taste_log, (99, "a1", huge), (99, "a2", huge)), [3, 0], num_targets=1, model=model, seed=seed
    )
    assert targets["item_id"].to_pylist() == ["b1", "a0"]
    assert all(math.isfinite(score) for score in targets["score"].to_pylist())


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_a_users_events_changes_nothing(taste_log, model):
    shuffled = sorted(random.Random(5).sample(taste_log, len(taste_log)), key=lambda event: event[0])
    first, second = (
        recommend_targets(log(*events), [1, 2], num_targets=4, model=model, seed=3)
        for events in (taste_log, shuffled)
    )
    assert first.equals(second)


@pytest.mark.parametrize("model", MODELS)
def test_which_number_stands_for_whom_changes_nothing(taste_log, model):
    other = {user: (user * 7919) % 104729 for user, *_ in taste_log}
    renamed = [(other[user], *rest) for user, *rest in taste_log]
    first = recommend_targets(log(*taste_log), [1, 2], num_targets=4, model=model, seed=3)
    second = recommend_targets(log(*renamed), [other[1], other[2]], num_targets=4, model=model, seed=3)
    assert first.drop(["user_key"]).equals(second.drop(["user_key"]))
    assert second["user_key"].to_pylist() == [other[key] for key in first["user_key"].to_pylist()]


@pytest.mark.parametrize("model", MODELS)
def test_what_a_user_has_met_is_not_recommended_even_if_it_was_disliked(taste_log, model):
    events = [*taste_log, (0, "a0", -2.0), (2, "a1", 1.0), (2, "a1", -1.0)]
    targets = recommend_targets(log(*events), [0, 2, 4], num_targets=9, model=model).to_pylist()
    met = {(user, item) for user, item, _ in events}
    assert targets
    assert not [row for row in targets if (row["user_key"], row["item_id"]) in met]


@pytest.mark.parametrize("model", MODELS)
def test_ranks_count_from_one_by_falling_score(taste_log, model):
    rows = recommend_targets(log(*taste_log), [0], num_targets=50, model=model).to_pylist()
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_the_result_has_the_staged_columns_of_targets(taste_log):
    targets = recommend_targets(log(*taste_log), [0], num_targets=2)
    with duckdb.connect() as connection:
        described = connection.from_arrow(targets)
        types = {column.name: column.sql_type for column in TARGETS.columns}
        assert described.columns == list(TARGETS.stored)
        wanted = connection.sql("SELECT " + ", ".join(f"NULL::{types[name]}" for name in TARGETS.stored))
        assert described.types == wanted.types


def test_a_user_without_a_liked_item_gets_nothing(taste_log):
    events = [*taste_log, (99, "a1", -1.0)]
    targets = recommend_targets(log(*events), [98, 99, 0], num_targets=3)
    assert set(targets["user_key"].to_pylist()) == {0}


def test_a_user_asked_for_twice_gets_one_list(taste_log):
    targets = recommend_targets(log(*taste_log), [0, 0], num_targets=1)
    assert targets.num_rows == 1


@pytest.mark.parametrize("events", [[], [(1, "i", 0.0), (1, "j", -1.0)]])
def test_a_log_without_a_liking_is_an_error(events):
    with pytest.raises(ValueError, match=rf"{len(events)} interactions hold no positive weight"):
        recommend_targets(log(*events), [1], num_targets=1)


def test_settings_that_cannot_work_are_errors(taste_log):
    with pytest.raises(ValueError, match="model 'svd' is unknown. Write one of bm25, als"):
        recommend_targets(log(*taste_log), [0], num_targets=1, model="svd")
    with pytest.raises(ValueError, match="num_targets is 0"):
        recommend_targets(log(*taste_log), [0], num_targets=0)
