"""Targets: who is to get pictures of what, made anew only for who changed."""

import pyarrow as pa
import pytest

from feature_store.tables.items import TemplateError, render_texts, scan_texts
from feature_store.tables.runs import open_run
from feature_store.tables.targets import (
    Bucket,
    drop_unwanted,
    replace_targets,
    scan_latest_items,
    scan_preferences,
    scan_stale_users,
)
from tests.feature_store.logs import ask, close, hours, render, take_in_events, take_in_items

EVENTS = [
    ("e1", "ann", "i1", hours(1), 5.0),
    ("e2", "ann", "i2", hours(2), 4.0),
    ("e3", "ann", "i3", hours(3), -4.0),
    ("e4", "bob", "i1", hours(1), 3.0),
    ("e5", "bob", "i1", hours(2), 3.0),
]


def replace(lake, users, targets, *, recipe="r"):
    rows = [{"user_id": u, "item_id": i, "rank": 1, "score": None, "as_of": None} for u, i in targets]
    table = pa.Table.from_pylist(rows, schema=lake.query("FROM night.targets LIMIT 0").schema)
    made = table.select(["user_id", "item_id", "rank", "score", "as_of"])
    replace_targets(lake, open_run(lake), users, made, source="latest", recipe_digest=recipe)


def test_users_are_stale_until_they_have_targets_by_the_recipe_of_today(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    assert scan_stale_users(lake, recipe_digest="r", max_users=None) == ["ann", "bob"]
    assert scan_stale_users(lake, recipe_digest="r", max_users=1) == ["ann"]
    replace(lake, ["ann"], [])
    assert scan_stale_users(lake, recipe_digest="r", max_users=None) == ["bob"]
    assert scan_stale_users(lake, recipe_digest="another", max_users=None) == ["ann", "bob"]


def test_the_latest_liked_items_are_targets_with_the_history_before_them(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    rows = scan_latest_items(lake, close(lake), ["ann", "bob"], num_targets=2).to_pylist()
    found = sorted((row["user_id"], row["item_id"], row["rank"], row["as_of"].hour) for row in rows)
    assert found == [("ann", "i1", 2, 1), ("ann", "i2", 1, 1), ("bob", "i1", 1, 2)]


def test_preferences_add_up_each_users_events_with_an_item(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    rows = scan_preferences(lake, close(lake)).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("ann", "i1", 5.0),
        ("ann", "i2", 4.0),
        ("ann", "i3", -4.0),
        ("bob", "i1", 6.0),
    ]


def test_what_is_not_wanted_any_more_goes_and_lists_that_were_given_stay(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    replace(lake, ["ann", "bob"], [("ann", "i1"), ("bob", "i2")])
    replace(lake, ["cid"], [("cid", "i1")], recipe="given")
    assert drop_unwanted(lake, max_users=1, only_given=False) == 1
    assert ask(lake, "SELECT user_id FROM night.targets ORDER BY ALL") == [("ann",), ("cid",)]
    assert drop_unwanted(lake, max_users=None, only_given=True) == 1
    assert ask(lake, "SELECT user_id FROM night.targets ORDER BY ALL") == [("cid",)]


def test_the_targets_of_a_user_whose_only_event_was_anothers_go(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    replace(lake, ["ann", "bob"], [("ann", "i2"), ("bob", "i1")])
    mistaken = [(event, "ann", *rest) for event, user, *rest in EVENTS if user == "bob"]
    take_in_events(lake, tmp_path, mistaken, name="correction")
    replace(lake, ["ann"], [("ann", "i2")])
    assert drop_unwanted(lake, max_users=None, only_given=False) == 1
    assert ask(lake, "SELECT user_id FROM night.targets") == [("ann",)]


def test_a_user_who_likes_nothing_is_looked_at_once(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    replace(lake, ["ann", "bob"], [("ann", "i2")])
    drop_unwanted(lake, max_users=None, only_given=False)
    assert scan_stale_users(lake, recipe_digest="r", max_users=None) == []


def test_buckets_share_out_the_users_without_rest(lake):
    buckets = [Bucket(number, 3).condition("'u' || i") for number in range(3)]
    counts = [ask(lake, f"SELECT count(*) FROM range(300) AS t(i) WHERE {sql}")[0][0] for sql in buckets]
    assert sum(counts) == 300
    assert min(counts) > 50


def test_texts_follow_the_templates_and_only_changed_ones_are_written(lake, tmp_path):
    take_in_items(lake, tmp_path, {"i1": "One  'quoted'", "i2": "Two"})
    assert render(lake) == 2
    assert render(lake) == 0
    assert ask(lake, "SELECT target_text FROM items ORDER BY ALL") == [
        ("One 'quoted' poster",),
        ("Two poster",),
    ]
    before = ask(lake, "SELECT target_id FROM items ORDER BY item_id")
    assert render_texts(lake, reference_template="A {title}", target_template="{title} poster") == 2
    assert ask(lake, "SELECT target_id FROM items ORDER BY item_id") == before


def test_texts_in_use_are_those_of_histories_and_of_targets(lake, tmp_path):
    take_in_items(lake, tmp_path, {"i1": "One", "i2": "Two", "i9": "Never met"})
    take_in_events(lake, tmp_path, EVENTS[:1])
    replace(lake, ["ann"], [("ann", "i2")])
    render(lake)
    assert sorted(scan_texts(lake)["text"].to_pylist()) == ["One", "Two poster"]


@pytest.mark.parametrize(
    ("template", "message"),
    [("{genre}", "names the field 'genre', which no item has: use one of title"), ("{title", "is malformed")],
)
def test_a_template_that_cannot_be_filled_is_refused(template, message, lake, tmp_path):
    take_in_items(lake, tmp_path, {"i1": "One"})
    with pytest.raises(TemplateError, match=message):
        render_texts(lake, reference_template=template, target_template="{title}")
