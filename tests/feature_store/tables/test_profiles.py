"""Profiles are made anew where targets, settings or histories changed, and digested by what they say."""

from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.history.opt_outs import opt_out
from feature_store.schemas import PROFILES
from feature_store.tables.profiles import (
    NO_PROFILE,
    ProfileRow,
    commit_profiles,
    count_stale_users,
    number_stale_pairs,
    profile_digest,
    profile_states,
    replace_profiles,
    scan_stale_pairs,
)
from feature_store.tables.targets import Bucket
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
from tests.feature_store.nights import profile

TITLES = {"one": "First", "two": "Second", "goal": "The Goal"}
EVENTS = [
    ("e1", "ann", "one", hours(1), 5.0),
    ("e2", "ann", "two", hours(2), 4.0),
    ("e3", "bob", "two", hours(3), 3.0),
]
TARGETS = [("ann", "two", 2), ("ann", "goal", 1), ("bob", "goal", 1), ("b", "one", 1), ("ann", "gone", 3)]
PAIRS = [("b", "one"), ("ann", "goal"), ("ann", "two"), ("bob", "goal")]
"""In the order of users' ids, the shorter first, and of ranks; `gone` is in no catalogue."""


def fill(lake, folder):
    take_in_items(lake, folder, TITLES)
    take_in_events(lake, folder, EVENTS)
    take_in_targets(lake, folder, TARGETS)
    render(lake)


@pytest.fixture
def lake(filled):
    return filled


def stale_rows(lake, **options):
    return scan_stale_pairs(
        lake, close(lake), **{"recipe_digest": "p", "max_users": None, **options}
    ).to_pylist()


def stale(lake, **options):
    return [(id_of(lake, row["user_key"]), row["item_id"]) for row in stale_rows(lake, **options)]


def test_every_target_is_profiled_once_and_again_by_other_settings(lake):
    assert stale(lake) == PAIRS
    assert count_stale_users(lake, recipe_digest="p", max_users=None) == 3
    profile(lake, close(lake))
    assert stale(lake) == []
    assert count_stale_users(lake, recipe_digest="p", max_users=None) == 0
    assert stale(lake, recipe_digest="another") == PAIRS


def test_who_is_profiled_is_the_first_of_those_who_did_not_opt_out_and_of_a_bucket(lake):
    assert stale(lake, max_users=2) == PAIRS[:3]
    assert count_stale_users(lake, recipe_digest="p", max_users=2) == 2
    buckets = [stale(lake, bucket=Bucket(number, 3)) for number in range(3)]
    assert sorted(pair for bucket in buckets for pair in bucket) == sorted(PAIRS)
    assert len([bucket for bucket in buckets if bucket]) > 1
    opt_out(lake, "ann")
    assert stale(lake) == [PAIRS[0], PAIRS[3]]


def test_a_pair_says_its_targets_text_and_as_of_when(lake):
    set_time = "UPDATE night.targets SET as_of = TIMESTAMPTZ '2024-05-01 12:00:00+00' WHERE item_id = 'one'"
    lake.write(lambda connection: connection.execute(set_time), "as of a time")
    run = close(lake)
    rows = scan_stale_pairs(lake, run, recipe_digest="p", max_users=None).to_pylist()
    times = {row["item_id"]: row["as_of"] for row in rows}
    assert times == {
        "goal": run.window_end,
        "two": run.window_end,
        "one": datetime(2024, 5, 1, 12, tzinfo=UTC),
    }
    texts = dict(ask(lake, "SELECT item_id, target_id FROM items"))
    assert all(row["target_id"] == texts[row["item_id"]] for row in rows)


def test_new_profiles_stand_for_the_old_ones_of_their_pairs_and_of_no_others(lake):
    run = close(lake)
    profile(lake, run)
    made = (
        "SELECT user_id, item_id, count(*) FROM night.profiles JOIN keyed.users USING (user_key) GROUP BY ALL"
    )
    before = dict((pair[:2], pair[2]) for pair in ask(lake, made))
    assert before == {("ann", "goal"): 2, ("ann", "two"): 1, ("bob", "goal"): 1}
    pairs = scan_stale_pairs(lake, run, recipe_digest="q", max_users=None)
    replace_profiles(lake, pairs.slice(1, 1), [], recipe_digest="q", run_id="a later run")
    del before["ann", "goal"]
    assert dict((pair[:2], pair[2]) for pair in ask(lake, made)) == before
    assert stale(lake, recipe_digest="q") == [PAIRS[0], *PAIRS[2:]]


@pytest.mark.parametrize("max_users", [None, 2])
def test_pairs_are_numbered_from_nothing_bucket_by_bucket(lake, max_users):
    connection, run = lake.cursor(), close(lake)
    numbered = number_stale_pairs(connection, run, recipe_digest="p", max_users=max_users, num_buckets=3)
    rows = connection.execute(f"FROM {numbered} ORDER BY pair_number").to_arrow_table().to_pylist()
    assert [row["pair_number"] for row in rows] == list(range(len(rows)))
    of_buckets = [
        (number, *pair)
        for number in range(3)
        for pair in stale(lake, max_users=max_users, bucket=Bucket(number, 3))
    ]
    assert [(row["bucket"], id_of(lake, row["user_key"]), row["item_id"]) for row in rows] == of_buckets
    profile(lake, run)
    again = number_stale_pairs(connection, run, recipe_digest="p", max_users=max_users, num_buckets=3)
    assert connection.execute(f"SELECT count(*) FROM {again}").fetchall() == [(0,)]


def made_rows(pairs):
    """Of two pairs three references of others, of the third two of its user's own, of the fourth none."""
    keys = pairs.select(["user_key", "item_id"]).to_pylist()
    told = [(keys[0], 1, "neighbours"), (keys[0], 2, "neighbours"), (keys[1], 1, "neighbours")]
    told += [(keys[2], 1, "history"), (keys[2], 2, "history")]
    return [
        ProfileRow(
            **key, position=position, reference_item_id="one", reference_id=position, origin=origin,
            relevance=0.5, weight=1.0, as_of=datetime.now(UTC), history_size=1, profile_digest=key["item_id"],
            encoder_fingerprint="e", recipe_digest="q", run_id="n", snapshot_id=1,
        )
        for key, position, origin in told
    ]  # fmt: skip


COUNTED = {
    "targets_profiled": 4,
    "references_selected": 5,
    "targets_helped_by_others": 2,
    "targets_without_references": 1,
}


def test_what_was_made_is_counted_whether_it_is_at_hand_or_in_files(lake, tmp_path):
    pairs = scan_stale_pairs(lake, close(lake), recipe_digest="q", max_users=None)
    made = made_rows(pairs)
    assert replace_profiles(lake, pairs, made, recipe_digest="q", run_id="n") == COUNTED
    kept = ask(lake, "FROM night.profiles ORDER BY ALL"), ask(lake, "FROM night.profile_states ORDER BY ALL")
    files = [str(tmp_path / name) for name in ("it's a.parquet", "b.parquet", "states.parquet")]
    pq.write_table(PROFILES.to_arrow(made[:1]), files[0])
    pq.write_table(PROFILES.to_arrow(made[1:]), files[1])
    pq.write_table(profile_states(pairs, made, recipe_digest="q", run_id="n"), files[2])
    assert commit_profiles(lake, files[:2], files[2:]) == COUNTED
    again = ask(lake, "FROM night.profiles ORDER BY ALL"), ask(lake, "FROM night.profile_states ORDER BY ALL")
    assert again == kept
    assert [len(rows) for rows in kept] == [5, 4]


def test_a_state_says_the_digest_of_the_profile_or_that_there_is_none(lake):
    run = close(lake)
    profile(lake, run)
    states = "SELECT item_id, s.profile_digest, s.recipe_digest, s.run_id FROM night.profile_states AS s"
    digests = "SELECT DISTINCT item_id, profile_digest FROM night.profiles JOIN keyed.users USING (user_key)"
    of_ann = ask(lake, f"{states} JOIN keyed.users USING (user_key) WHERE user_id = 'ann' ORDER BY ALL")
    assert of_ann == [
        (item, digest, "p", run.run_id)
        for item, digest in ask(lake, f"{digests} WHERE user_id = 'ann' ORDER BY ALL")
    ]
    assert ask(lake, f"{states} WHERE item_id = 'one'") == [("one", NO_PROFILE, "p", run.run_id)]
    assert ask(lake, "SELECT count(*) FROM night.profile_states") == [(4,)]


REFERENCES = st.lists(
    st.tuples(st.integers(0, 99), st.floats(0.1, 9)), min_size=1, max_size=5, unique_by=lambda pair: pair[0]
)


@given(REFERENCES, st.sampled_from([0.25, 2.0, 8.0]), st.randoms())
def test_neither_the_order_of_references_nor_a_factor_of_their_weights_is_in_a_profiles_digest(
    references, factor, random
):
    other = [(number, factor * weight) for number, weight in random.sample(references, len(references))]
    assert profile_digest(7, other) == profile_digest(7, references)


@pytest.mark.parametrize(
    "other",
    [(8, [(1, 1.0), (2, 3.0)]), (7, [(1, 1.0), (3, 3.0)]), (7, [(1, 3.0), (2, 1.0)]), (7, [(1, 1.0)])],
)
def test_another_target_reference_or_share_is_another_profile(other):
    assert profile_digest(*other) != profile_digest(7, [(1, 1.0), (2, 3.0)])
    assert len(bytes.fromhex(profile_digest(*other))) == 16


def test_the_pictures_of_references_are_in_a_profiles_digest_where_they_act():
    references = [(2, 3.0), (1, 1.0)]
    both = profile_digest(7, references, ["i1", "i2"])
    assert both == profile_digest(7, references[::-1], ["i2", "i1"])
    assert len({both, profile_digest(7, references), profile_digest(7, references, ["i1"])}) == 3


def test_a_new_release_makes_no_profile_another():
    """Another digest would let everybody's pictures be drawn again."""
    assert profile_digest(7, [(2, 3.0), (1, 1.0)]) == "fba5a1ffcf6b77302c34342c87126490"
    assert profile_digest(7, [(2, 3.0), (1, 1.0)], ["i1"]) == "632c0e6f0e1a55be4ca32e2d8aaa70cf"
