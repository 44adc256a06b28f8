"""Targets: who is to get pictures of what, made anew only for who changed."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from feature_store.history.opt_outs import opt_out
from feature_store.tables.items import TemplateError, render_texts, scan_texts
from feature_store.tables.runs import open_run
from feature_store.tables.targets import (
    EVERYBODY,
    Bucket,
    count_users_beyond,
    drop_unwanted,
    replace_targets,
    scan_latest_items,
    scan_preferences,
    scan_stale_users,
    wanted_targets,
)
from tests.feature_store.logs import (
    ask,
    close,
    hours,
    id_of,
    key_of,
    render,
    take_in_events,
    take_in_items,
    users_of,
)
from tests.feature_store.nights import draw, profile

EVENTS = [
    ("e1", "ann", "i1", hours(1), 5.0),
    ("e2", "ann", "i2", hours(2), 4.0),
    ("e3", "ann", "i3", hours(3), -4.0),
    ("e4", "bob", "i1", hours(1), 3.0),
    ("e5", "bob", "i1", hours(2), 3.0),
]


def fill(lake, folder):
    take_in_events(lake, folder, EVENTS)


def replace(lake, users, targets, *, recipe="r"):
    rows = [
        {"user_key": key_of(lake, u), "item_id": i, "rank": 1, "score": None, "as_of": None}
        for u, i in targets
    ]
    table = pa.Table.from_pylist(rows, schema=lake.query("FROM night.targets LIMIT 0").schema)
    made = table.select(["user_key", "item_id", "rank", "score", "as_of"])
    keys = [key_of(lake, user) for user in users]
    replace_targets(lake, open_run(lake), keys, made, source="latest", recipe_digest=recipe)


OF_USERS = "JOIN keyed.users USING (user_key) ORDER BY ALL"


def targets_of(lake):
    return ask(lake, f"SELECT user_id, item_id, source, recipe_digest FROM night.targets {OF_USERS}")


def pairs_of(lake, table):
    return ask(lake, f"SELECT DISTINCT user_id, item_id FROM night.{table} {OF_USERS}")


def wanted(lake, max_users):
    return ask(lake, f"SELECT user_id, item_id FROM {wanted_targets(max_users)} ORDER BY ALL")


def render_items(lake, tmp_path):
    """Give the items of the events their texts."""
    take_in_items(lake, tmp_path, {"i1": "One", "i2": "Two", "i3": "Three"})
    render(lake)


def stale(lake, *, recipe="r", max_users=None):
    users = scan_stale_users(lake, known_before=datetime.now(UTC), recipe_digest=recipe, max_users=max_users)
    return [id_of(lake, key) for key in users]


def drop(lake, *, max_users=None, only_given=False):
    return drop_unwanted(lake, known_before=datetime.now(UTC), max_users=max_users, only_given=only_given)


def test_users_are_stale_until_they_have_targets_by_the_recipe_of_today(filled):
    assert stale(filled) == ["ann", "bob"]
    assert stale(filled, max_users=1) == ["ann"]
    replace(filled, ["ann"], [])
    assert stale(filled) == ["bob"]
    assert stale(filled, recipe="another") == ["ann", "bob"]


def test_users_come_in_the_order_of_their_ids_and_numbers_by_their_size(lake, tmp_path):
    users = ["10", "9", "b", "a", "100"]
    take_in_events(lake, tmp_path, [(user, user, "i1", hours(1), 1.0) for user in users])
    assert stale(lake) == ["9", "a", "b", "10", "100"]
    assert stale(lake, max_users=3) == ["9", "a", "b"]


def test_whose_events_are_all_in_the_future_is_nobody_yet_and_takes_no_place(filled, tmp_path):
    take_in_events(filled, tmp_path, [("soon", "a", "i1", hours(24 * 365 * 30), 5.0)], name="soon")
    assert stale(filled) == ["ann", "bob"]
    assert stale(filled, max_users=1) == ["ann"]
    replace(filled, ["ann", "bob"], [("ann", "i1"), ("bob", "i2")])
    assert drop(filled, max_users=1) == 1
    assert users_of(filled, "night.targets") == ["ann"]


def test_a_limit_counts_users_once_and_not_those_who_opted_out(filled):
    assert stale(filled, max_users=2) == ["ann", "bob"]
    opt_out(filled, "ann")
    assert stale(filled, max_users=1) == stale(filled) == ["bob"]


def test_the_latest_liked_items_are_those_of_each_user_as_of_the_window(lake, tmp_path):
    more = [
        ("e6", "ann", "i4", hours(4), 1.0),
        ("e7", "ann", "i5", hours(5), 0.0),
        ("e8", "ann", "i6", hours(24 * 365 * 30), 1.0),
        ("e9", "bob", "i8", hours(1), 2.0),
        ("e10", "bob", "i9", hours(1), 2.0),
        ("e11", "cid", "i1", hours(9), 2.0),
    ]
    take_in_events(lake, tmp_path, EVENTS + more)
    run = close(lake)
    take_in_events(lake, tmp_path, [("late", "ann", "i7", hours(6), 1.0)], name="late")
    rows = scan_latest_items(lake, run, [key_of(lake, "ann"), key_of(lake, "bob")], num_targets=2).to_pylist()
    found = {(id_of(lake, row["user_key"]), row["rank"]): (row["item_id"], row["as_of"].hour) for row in rows}
    assert found == {
        ("ann", 1): ("i4", 2),
        ("ann", 2): ("i2", 2),
        ("bob", 1): ("i1", 1),
        ("bob", 2): ("i8", 1),
    }
    assert {row["score"] for row in rows} == {None}


def test_the_latest_liked_items_are_targets_targets_with_the_history_before_them(filled):
    rows = scan_latest_items(
        filled, close(filled), [key_of(filled, "ann"), key_of(filled, "bob")], num_targets=2
    ).to_pylist()
    found = sorted(
        (id_of(filled, row["user_key"]), row["item_id"], row["rank"], row["as_of"].hour) for row in rows
    )
    assert found == [("ann", "i1", 2, 1), ("ann", "i2", 1, 1), ("bob", "i1", 1, 2)]


def test_what_was_liked_and_then_disliked_more_is_no_latest_liked_item(filled, tmp_path):
    take_in_events(filled, tmp_path, [("e12", "ann", "i2", hours(4), -4.5)], name="regret")
    rows = scan_latest_items(filled, close(filled), [key_of(filled, "ann")], num_targets=2)
    assert rows["item_id"].to_pylist() == ["i1"]


def test_preferences_add_up_each_users_events_with_an_item(filled):
    rows = scan_preferences(filled, close(filled)).to_pylist()
    assert [(id_of(filled, row["user_key"]), row["item_id"], row["weight"]) for row in rows] == [
        ("ann", "i1", 5.0),
        ("ann", "i2", 4.0),
        ("ann", "i3", -4.0),
        ("bob", "i1", 6.0),
    ]


def test_what_happens_or_becomes_known_after_the_window_is_no_preference_yet(lake, tmp_path):
    take_in_events(lake, tmp_path, [EVENTS[0], ("soon", "ann", "i7", hours(24 * 365 * 30), 1.0)])
    run = close(lake)
    take_in_events(lake, tmp_path, [("late", "ann", "i8", hours(1), 1.0)], name="late")
    assert scan_preferences(lake, run)["item_id"].to_pylist() == ["i1"]


def test_users_get_the_targets_that_were_made_for_them_and_lose_those_that_they_had(lake):
    replace(lake, ["ann", "bob"], [("ann", "i1"), ("bob", "i2")])
    replace(lake, ["ann", "cid"], [("cid", "i3")], recipe="new")
    assert targets_of(lake) == [("bob", "i2", "latest", "r"), ("cid", "i3", "latest", "new")]
    states = ask(lake, f"SELECT user_id, recipe_digest, run_id FROM night.target_states {OF_USERS}")
    run_id = open_run(lake).run_id
    assert states == [("ann", "new", run_id), ("bob", "r", run_id), ("cid", "new", run_id)]


def test_every_list_of_targets_is_kept_with_the_end_of_the_window_that_it_was_made_for(lake):
    replace(lake, ["ann"], [("ann", "i1")])
    replace(lake, ["ann"], [("ann", "i2")], recipe="new")
    columns = "user_id, item_id, source, recipe_digest, run_id, ingested_at"
    run = open_run(lake)
    lists = ask(lake, f"SELECT {columns} FROM keyed.target_lists {OF_USERS}")
    assert lists == [
        ("ann", "i1", "latest", "r", run.run_id, run.window_end),
        ("ann", "i2", "latest", "new", run.run_id, run.window_end),
    ]


def test_pictures_are_wanted_for_the_first_users_with_targets_who_did_not_opt_out(lake):
    replace(lake, ["ann", "bob", "cid"], [("ann", "i1"), ("bob", "i2"), ("bob", "i3"), ("cid", "i1")])
    assert wanted(lake, 2) == [("ann", "i1"), ("bob", "i2"), ("bob", "i3")]
    opt_out(lake, "ann")
    assert wanted(lake, 1) == [("bob", "i2"), ("bob", "i3")]
    assert wanted(lake, None) == [("bob", "i2"), ("bob", "i3"), ("cid", "i1")]


def test_who_has_targets_beyond_a_limit_is_counted_once_without_those_who_opted_out(lake):
    users = ["ann", "bob", "cid", "dan"]
    replace(lake, users, [(user, item) for user in users for item in ("i1", "i2")])
    opt_out(lake, "cid")
    assert [count_users_beyond(lake, limit) for limit in (None, 1, 2, 3)] == [0, 2, 1, 0]


def test_what_was_made_for_targets_that_are_not_wanted_goes_with_them(filled, tmp_path):
    replace(filled, ["ann", "bob"], [("ann", "i1"), ("ann", "i2"), ("bob", "i1"), ("bob", "i2")])
    run = close(filled)
    render_items(filled, tmp_path)
    profile(filled, run)
    draw(filled, tmp_path, run)
    replace(filled, ["ann"], [("ann", "i2")])
    assert drop(filled, max_users=1) == 2
    made = ("targets", "profiles", "profile_states", "artworks")
    assert {table: pairs_of(filled, table) for table in made} == dict.fromkeys(made, [("ann", "i2")])
    assert users_of(filled, "night.target_states") == ["ann"]


def test_what_is_not_wanted_any_more_goes_and_lists_that_were_given_stay(filled):
    replace(filled, ["ann", "bob"], [("ann", "i1"), ("bob", "i2")])
    replace(filled, ["cid"], [("cid", "i1")], recipe="given")
    assert drop(filled, max_users=1) == 1
    assert users_of(filled, "night.targets") == ["ann", "cid"]
    assert drop(filled, only_given=True) == 1
    assert users_of(filled, "night.targets") == ["cid"]


def test_the_targets_of_a_user_whose_only_event_was_anothers_go(filled, tmp_path):
    replace(filled, ["ann", "bob"], [("ann", "i2"), ("bob", "i1")])
    mistaken = [(event, "ann", *rest) for event, user, *rest in EVENTS if user == "bob"]
    take_in_events(filled, tmp_path, mistaken, name="correction")
    replace(filled, ["ann"], [("ann", "i2")])
    assert drop(filled) == 1
    assert users_of(filled, "night.targets") == ["ann"]


def test_a_user_who_likes_nothing_is_looked_at_once(filled):
    replace(filled, ["ann", "bob"], [("ann", "i2")])
    drop(filled)
    assert stale(filled) == []


def test_buckets_share_out_the_users_without_rest(lake):
    buckets = [Bucket(number, 3).condition("'u' || i") for number in range(3)]
    counts = [ask(lake, f"SELECT count(*) FROM range(300) AS t(i) WHERE {sql}")[0][0] for sql in buckets]
    assert sum(counts) == 300
    assert min(counts) > 50
    everybody = EVERYBODY.condition("'u' || i")
    assert ask(lake, f"SELECT count(*) FROM range(300) AS t(i) WHERE {everybody}") == [(300,)]


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
