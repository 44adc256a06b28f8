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
            "user_id": pa.array(users, pa.string()),
            "item_id": pa.array(items, pa.string()),
            "weight": pa.array(weights, pa.float64()),
        }
    )


@pytest.fixture
def taste_log():
    """Two tastes: users of even number like the items a0 to a5, the others b0 to b5; each skips one."""
    return [
        (f"u{user}", f"{'ab'[user % 2]}{item}", 1.0 + item % 3)
        for user in range(12)
        for item in range(6)
        if item != user // 2
    ]


@pytest.mark.parametrize("model", MODELS)
def test_the_item_that_people_of_the_same_taste_like_comes_first(taste_log, model):
    targets = recommend_targets(log(*taste_log), ["u3", "u0"], num_targets=1, model=model, seed=1)
    assert targets.select(["user_id", "item_id", "rank"]).to_pylist() == [
        {"user_id": "u3", "item_id": "b1", "rank": 1},
        {"user_id": "u0", "item_id": "a0", "rank": 1},
    ]


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_the_log_changes_nothing(taste_log, model):
    shuffled = random.Random(5).sample(taste_log, len(taste_log))
    first, second = (
        recommend_targets(log(*events), ["u1", "u2"], num_targets=4, model=model, seed=3)
        for events in (taste_log, shuffled)
    )
    assert first.equals(second)


@pytest.mark.parametrize("model", MODELS)
def test_what_a_user_has_met_is_not_recommended_even_if_it_was_disliked(taste_log, model):
    events = [*taste_log, ("u0", "a0", -2.0), ("u2", "a1", 1.0), ("u2", "a1", -1.0)]
    targets = recommend_targets(log(*events), ["u0", "u2", "u4"], num_targets=9, model=model).to_pylist()
    met = {(user, item) for user, item, _ in events}
    assert targets
    assert not [row for row in targets if (row["user_id"], row["item_id"]) in met]


@pytest.mark.parametrize("model", MODELS)
def test_ranks_count_from_one_by_falling_score(taste_log, model):
    rows = recommend_targets(log(*taste_log), ["u0"], num_targets=50, model=model).to_pylist()
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_the_result_has_the_staged_columns_of_targets(taste_log):
    targets = recommend_targets(log(*taste_log), ["u0"], num_targets=2)
    with duckdb.connect() as connection:
        described = connection.from_arrow(targets)
        types = {column.name: column.sql_type for column in TARGETS.columns}
        assert described.columns == list(TARGETS.staged)
        wanted = connection.sql("SELECT " + ", ".join(f"NULL::{types[name]}" for name in TARGETS.staged))
        assert described.types == wanted.types


def test_a_user_without_a_liked_item_gets_nothing(taste_log):
    events = [*taste_log, ("grumpy", "a1", -1.0)]
    targets = recommend_targets(log(*events), ["nobody", "grumpy", "u0"], num_targets=3)
    assert set(targets["user_id"].to_pylist()) == {"u0"}


def test_a_user_asked_for_twice_gets_one_list(taste_log):
    targets = recommend_targets(log(*taste_log), ["u0", "u0"], num_targets=1)
    assert targets.num_rows == 1


@pytest.mark.parametrize("events", [[], [("u", "i", 0.0), ("u", "j", -1.0)]])
def test_a_log_without_a_liking_is_an_error(events):
    with pytest.raises(ValueError, match=rf"{len(events)} interactions hold no positive weight"):
        recommend_targets(log(*events), ["u"], num_targets=1)


def test_settings_that_cannot_work_are_errors(taste_log):
    with pytest.raises(ValueError, match="model 'svd' is unknown. Write one of bm25, als"):
        recommend_targets(log(*taste_log), ["u0"], num_targets=1, model="svd")
    with pytest.raises(ValueError, match="num_targets is 0"):
        recommend_targets(log(*taste_log), ["u0"], num_targets=0)
