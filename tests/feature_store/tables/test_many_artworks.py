"""Pictures of very many pairs are listed in little memory."""

import pytest

from feature_store.lake.lake import Lake
from feature_store.tables.artworks import stream_stale_pictures
from feature_store.tables.runs import open_run
from tests.feature_store.logs import ask, close, hours, render, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import profile

NUM_ITEMS, NUM_USERS, NUM_BUCKETS = 12, 40_000, 40
TITLES = {
    str(number): f"Film {number} of a rather long title, as films have them" for number in range(NUM_ITEMS)
}


def multiply(lake: Lake) -> None:
    """Give every row of the only user to many others."""

    def copy(connection):
        others = f"range(1, {NUM_USERS}) AS other(n)"
        for table in ("targets", "target_states", "profiles", "profile_states"):
            copied = f"SELECT t.* REPLACE (t.user_key + n AS user_key) FROM night.{table} AS t, {others}"
            connection.execute(f"INSERT INTO night.{table} {copied}")
        people = (
            "SELECT t.* REPLACE (t.user_key + n AS user_key, 'user ' || n AS user_id) FROM keyed.users AS t"
        )
        connection.execute(f"INSERT INTO keyed.users {people}, {others}")

    lake.write(copy, "many users")


@pytest.mark.whole
def test_references_of_many_pairs_are_listed_in_little_memory(lake, tmp_path):
    take_in_items(lake, tmp_path, TITLES)
    take_in_events(lake, tmp_path, [(f"e{n}", "ann", str(n), hours(n + 1), 5.0) for n in range(NUM_ITEMS)])
    take_in_targets(lake, tmp_path, [("ann", str(n), n + 1) for n in range(4)])
    render(lake)
    run = close(lake)
    profile(lake, run)
    multiply(lake)
    assert ask(lake, "SELECT count(*) FROM night.profiles")[0][0] > 10 * NUM_USERS
    lake._connection.execute("SET memory_limit = '128MB'")
    listed = stream_stale_pictures(
        lake, open_run(lake), recipe_digest="d", max_users=None, num_buckets=NUM_BUCKETS
    )
    seen, last = 0, 0
    for batch in listed:
        rows = batch.select(["bucket", "references"])
        assert rows["bucket"].to_pylist() == sorted(rows["bucket"].to_pylist())
        assert rows["bucket"][0].as_py() >= last
        last, seen = rows["bucket"][-1].as_py(), seen + batch.num_rows
    assert seen == 4 * NUM_USERS
