"""A picture is drawn anew where its profile, text or settings changed, and once a night if that fails."""

import pyarrow.parquet as pq
import pytest

from feature_store.history.opt_outs import opt_out
from feature_store.schemas import ARTWORKS
from feature_store.tables.artworks import (
    ArtworkRow,
    artwork_id,
    commit_artworks,
    count_stale_users,
    count_wanted,
    stream_stale_pictures,
)
from feature_store.tables.profiles import NO_PROFILE
from feature_store.tables.runs import open_run, publish_run
from tests.feature_store.logs import (
    ask,
    close,
    hours,
    id_of,
    render,
    take_in_events,
    take_in_items,
    take_in_targets,
)
from tests.feature_store.nights import draw, keep_artworks, profile, stale_pictures

TITLES = {"one": "First", "two": "Second", "goal": "The Goal"}
EVENTS = [("e1", "ann", "one", hours(1), 5.0), ("e2", "ann", "two", hours(2), 4.0)]
TARGETS = [("ann", "two", 2), ("ann", "goal", 1), ("bob", "goal", 1), ("b", "gone", 1)]
PAIRS = [("b", "gone"), ("ann", "goal"), ("ann", "two"), ("bob", "goal")]
"""In the order of users' ids, the shorter first, and of ranks; no catalogue has `gone`, bob no history."""


def fill(lake, folder):
    """Profiles of everybody, drawn in a run that is still open."""
    take_in_items(lake, folder, TITLES)
    take_in_events(lake, folder, EVENTS)
    take_in_targets(lake, folder, TARGETS)
    render(lake)
    run = close(lake)
    profile(lake, run)
    draw(lake, folder, run)


@pytest.fixture
def lake(filled):
    return filled


def change(lake, sql):
    lake.write(lambda connection: connection.execute(sql), "a change")


def stale(lake, recipe="d", max_users=None):
    pictures = stale_pictures(lake, open_run(lake), recipe=recipe, max_users=max_users)
    return [(id_of(lake, picture.user_key), picture.item_id) for picture in pictures]


def test_what_is_drawn_is_drawn_again_by_other_settings_only(lake):
    assert stale(lake) == []
    assert stale(lake, "another") == PAIRS
    assert count_stale_users(lake, open_run(lake), recipe_digest="another", max_users=None) == 3
    assert count_stale_users(lake, open_run(lake), recipe_digest="d", max_users=None) == 0


def test_who_is_drawn_for_is_the_first_of_those_who_did_not_opt_out_and_of_a_bucket(lake):
    assert stale(lake, "another", 2) == PAIRS[:3]
    assert count_stale_users(lake, open_run(lake), recipe_digest="another", max_users=2) == 2
    assert count_wanted(lake, max_users=2) == (2, 3)
    listed = {"recipe_digest": "another", "max_users": None, "num_buckets": 3}
    rows = stream_stale_pictures(lake, open_run(lake), **listed).read_all().to_pylist()
    assert sorted((id_of(lake, row["user_key"]), row["item_id"]) for row in rows) == sorted(PAIRS)
    buckets = [row["bucket"] for row in rows]
    assert buckets == sorted(buckets)
    assert len({*buckets}) > 1
    of_users = {(row["user_key"], row["bucket"]) for row in rows}
    assert len(of_users) == len({row["user_key"] for row in rows})
    opt_out(lake, "ann")
    assert stale(lake, "another") == [PAIRS[0], PAIRS[3]]
    assert count_wanted(lake, max_users=None) == (2, 2)


@pytest.mark.parametrize(
    ("reason", "pairs"),
    [
        ("UPDATE night.profile_states SET profile_digest = 'new' WHERE item_id = 'two'", [PAIRS[2]]),
        ("UPDATE items SET target_id = 7 WHERE item_id = 'goal'", [PAIRS[1], PAIRS[3]]),
        ("UPDATE items SET target_id = NULL WHERE item_id = 'two'", [PAIRS[2]]),
        ("UPDATE night.artworks SET target_id = NULL WHERE item_id = 'two'", [PAIRS[2]]),
        ("UPDATE night.artworks SET recipe_digest = 'old' WHERE item_id = 'gone'", [PAIRS[0]]),
        ("DELETE FROM night.artworks WHERE item_id = 'two'", [PAIRS[2]]),
        ("DELETE FROM night.profile_states WHERE item_id = 'two'", [PAIRS[2]]),
    ],
)
def test_only_what_changed_is_drawn_again(lake, reason, pairs):
    change(lake, reason)
    assert stale(lake) == pairs


def test_what_failed_is_tried_again_the_next_night_and_not_in_the_same_one(lake):
    change(lake, "UPDATE night.artworks SET status = 'failed' WHERE item_id = 'two'")
    assert stale(lake) == []
    publish_run(lake, open_run(lake))
    assert stale(lake) == [PAIRS[2]]
    change(lake, "UPDATE night.artworks SET status = 'flagged' WHERE item_id = 'two'")
    assert stale(lake) == []


def test_a_pair_says_what_is_to_be_drawn_of_whom(lake):
    swap = "UPDATE night.profiles SET position = 3 - position WHERE item_id = 'goal'"
    change(lake, swap)
    rows = stale_pictures(lake, open_run(lake), recipe="another")
    of_nobody_known, of_goal, of_two, of_bob = rows
    chosen = "SELECT reference_item_id, weight FROM night.profiles WHERE item_id = 'goal' ORDER BY position"
    items, weights = zip(*ask(lake, chosen), strict=True)
    assert (of_goal.references, of_goal.weights) == ([TITLES[item] for item in items], list(weights))
    assert (of_two.references, of_two.weights, of_two.target_text) == (
        ["First"],
        [5.0],
        "Second poster",
    )
    assert (of_bob.references, of_bob.profile_digest) == ([], NO_PROFILE)
    assert of_bob.target_text == of_goal.target_text == "The Goal poster"
    assert (of_nobody_known.target_id, of_nobody_known.target_text) == (None, None)
    digests = dict(ask(lake, "SELECT DISTINCT item_id, profile_digest FROM night.profiles"))
    assert {row.item_id: row.profile_digest for row in (of_goal, of_two)} == digests
    assert of_goal.target_id == ask(lake, "SELECT target_id FROM items WHERE item_id = 'goal'")[0][0]


def test_a_pair_that_was_never_profiled_has_no_profile(lake):
    change(lake, "DELETE FROM night.profile_states WHERE item_id = 'gone'")
    assert stale(lake) == []


def test_a_new_picture_takes_the_place_of_the_one_of_its_user_and_item(lake, tmp_path):
    change(lake, "UPDATE night.artworks SET recipe_digest = 'old', run_id = 'old'")
    draw(lake, tmp_path, open_run(lake), recipe="d")
    assert ask(lake, "SELECT count(*), count(DISTINCT (user_key, item_id)) FROM night.artworks") == [(4, 4)]
    change(lake, "UPDATE night.artworks SET recipe_digest = 'old' WHERE item_id = 'two'")
    (pair,) = stale_pictures(lake, open_run(lake))
    draw(lake, tmp_path, open_run(lake), recipe="d")
    assert pair.item_id == "two"
    assert stale(lake) == []
    assert ask(lake, "SELECT count(*), count(DISTINCT (user_key, item_id)) FROM night.artworks") == [(4, 4)]


def drawn(lake, user_key, digest, status="generated"):
    rows = lake.query("SELECT * FROM night.artworks ORDER BY user_key LIMIT 1").to_pylist()[0]
    return ArtworkRow(**rows | {"user_key": user_key, "artwork_digest": digest, "status": status})


def test_the_first_row_of_a_picture_is_generated_and_every_other_one_reuses_it(lake, tmp_path):
    ((known,),) = ask(lake, "SELECT artwork_digest FROM night.artworks WHERE item_id = 'two'")
    rows = [drawn(lake, 1, "new"), drawn(lake, 2, "new"), drawn(lake, 3, known)]
    rows += [drawn(lake, 4, "no", "flagged"), drawn(lake, 5, "no", "flagged")]
    assert keep_artworks(lake, tmp_path, rows) == {"generated": 1, "reused": 2, "flagged": 2}
    stored = "SELECT user_key, status FROM night.artworks WHERE user_key <= 3 ORDER BY ALL"
    assert {(1, "generated"), (2, "reused"), (3, "reused")} <= set(ask(lake, stored))


def test_rows_count_in_the_order_of_their_files(lake, tmp_path):
    for name, user_key in (("a", 2), ("b", 1)):
        pq.write_table(ARTWORKS.to_arrow([drawn(lake, user_key, "new")]), tmp_path / f"{name}.parquet")
    counts = commit_artworks(lake, [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])
    assert counts == {"generated": 1, "reused": 1}
    ((first,),) = ask(
        lake, "SELECT user_key FROM night.artworks WHERE artwork_digest = 'new' AND status = 'generated'"
    )
    assert first == 2


def test_no_pictures_take_no_ones_place(lake, tmp_path):
    keep_artworks(lake, tmp_path, [])
    assert ask(lake, "SELECT count(*) FROM night.artworks") == [(4,)]


@pytest.mark.parametrize(
    "other", [(2, "i", "d"), (1, "j", "d"), (1, "i", "e"), (11, "i", "d"), (1, "1i", "d")]
)
def test_the_id_of_a_picture_is_that_of_one_user_one_item_and_one_digest(other):
    assert artwork_id(*other) != artwork_id(1, "i", "d")
    assert artwork_id(1, "1i", "d") != artwork_id(11, "i", "d")
    assert len(bytes.fromhex(artwork_id(*other))) == 16
