"""Profiles: for each (user, target) the few references that were selected from the user's history."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.relations import keep
from feature_store.lake.sql import quote
from feature_store.schemas import PROFILE_STATES, PROFILES
from feature_store.tables.runs import Run
from feature_store.tables.targets import EVERYBODY, Bucket, bucket_number, wanted_targets

NO_PROFILE = "none"
"""`profile_digest` of a (user, target) without history."""

STALE = """
    FROM {wanted} AS target
    JOIN items AS item ON item.item_id = target.item_id
    LEFT JOIN night.profile_states AS state
        ON state.user_key = target.user_key AND state.item_id = target.item_id
        AND state.recipe_digest = $recipe_digest
    WHERE {in_bucket} AND state.user_key IS NULL
"""
COLUMNS = "target.user_key, target.item_id, item.target_id, coalesce(target.as_of, $window_end) AS as_of"
IN_ORDER = "length(target.user_id), target.user_id, target.rank"
PAIRS = f"SELECT {COLUMNS} {{stale}} ORDER BY {IN_ORDER}"
NUMBERED = f"""
    SELECT row_number() OVER (ORDER BY {{bucket}}, {IN_ORDER}) - 1 AS pair_number,
           {{bucket}} AS bucket, {COLUMNS}
    {{stale}}
"""


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """A row of `profiles`: one selected reference of one (user, target); columns as in `schemas.PROFILES`."""

    user_key: int
    item_id: str
    position: int
    reference_item_id: str
    reference_id: int
    origin: str
    relevance: float
    weight: float
    as_of: datetime
    history_size: int
    profile_digest: str
    encoder_fingerprint: str
    recipe_digest: str
    run_id: str
    snapshot_id: int


def scan_stale_pairs(
    lake: Lake, run: Run, *, recipe_digest: str, max_users: int | None, bucket: Bucket = EVERYBODY
) -> pa.Table:
    """Return the pairs to profile: new ones, changed ones, and those profiled by other settings.

    Returns:
        `user_key`, `item_id`, `target_id` (id of the target's text), `as_of`; users in a stable order.
    """
    sql = PAIRS.format(stale=_stale(max_users, bucket))
    return lake.query(sql, _parameters(recipe_digest, run))


def number_stale_pairs(
    connection: DuckDBPyConnection, run: Run, *, recipe_digest: str, max_users: int | None, num_buckets: int
) -> str:
    """Keep all that is to be profiled, sorted and numbered by bucket of users.

    Returns:
        A relation of the connection: `pair_number`, `bucket`, both from 0, and the columns of
        `scan_stale_pairs`.
    """
    number = bucket_number("target.user_id", num_buckets)
    sql = NUMBERED.format(stale=_stale(max_users, EVERYBODY), bucket=number)
    return keep(connection, "pairs", sql, _parameters(recipe_digest, run))


def _stale(max_users: int | None, bucket: Bucket) -> str:
    return STALE.format(wanted=wanted_targets(max_users), in_bucket=bucket.condition("target.user_id"))


def _parameters(recipe_digest: str, run: Run) -> dict[str, object]:
    return {"recipe_digest": recipe_digest, "window_end": run.window_end}


def count_stale_users(lake: Lake, *, recipe_digest: str, max_users: int | None) -> int:
    """Return how many users have a target to profile."""
    sql = f"SELECT count(DISTINCT target.user_key) AS n {_stale(max_users, EVERYBODY)}"
    return lake.query(sql, {"recipe_digest": recipe_digest})["n"][0].as_py()


def profile_digest(target_id: int, references: list[tuple[int, float]], pictured: Sequence[str] = ()) -> str:
    """Digest what a profile says: the target's text, and the references' texts with their shares of weight.

    The order of the references and a common factor of their weights change nothing, as in personalized
    attention.

    Args:
        target_id: id of the target's text.
        references: id and weight of each text.
        pictured: the items of the references, where their pictures act as well.
    """
    total = sum(weight for _, weight in references)
    shares = sorted((reference_id, f"{weight / total:.9g}") for reference_id, weight in references)
    told = [target_id, shares, *([sorted(pictured)] if pictured else [])]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def replace_profiles(
    lake: Lake, pairs: pa.Table, profiles: Sequence[ProfileRow], *, recipe_digest: str, run_id: str
) -> dict[str, int]:
    """Let `profiles` stand for all profile rows of `pairs`, which are then up to date, in one transaction.

    Args:
        lake: where they go.
        pairs: `user_key`, `item_id`; a pair without history ends up without rows.
        profiles: rows of `night.profiles`.
        recipe_digest: settings and encoder that they depend on.
        run_id: the night.

    Returns:
        Counts, as `commit_profiles`.
    """
    connection = lake.cursor()
    connection.register("made", PROFILES.to_arrow(profiles))
    connection.register("states", profile_states(pairs, profiles, recipe_digest=recipe_digest, run_id=run_id))
    return _replace(lake, connection, "made", "states")


def profile_states(
    pairs: pa.Table, profiles: Sequence[ProfileRow], *, recipe_digest: str, run_id: str
) -> pa.Table:
    """Say of each pair that it is up to date, and what its profile says: rows of `PROFILE_STATES`."""
    digests = {(row.user_key, row.item_id): row.profile_digest for row in profiles}
    keys = pairs.select(["user_key", "item_id"]).to_pylist()
    rows = [
        {
            **key,
            "profile_digest": digests.get((key["user_key"], key["item_id"]), NO_PROFILE),
            "recipe_digest": recipe_digest,
            "run_id": run_id,
        }
        for key in keys
    ]
    return pa.Table.from_pylist(rows, schema=PROFILE_STATES.arrow_schema)


def commit_profiles(lake: Lake, profiles: Sequence[str], states: Sequence[str]) -> dict[str, int]:
    """Let the rows of Parquet files stand for all profile rows of the pairs in `states`, in one transaction.

    Args:
        lake: where they go.
        profiles: addresses of files of `PROFILES` rows.
        states: addresses of files of `PROFILE_STATES` rows.

    Returns:
        Counts: targets, references selected, targets that got some from what others liked, or have none.
    """
    made, done = (f"read_parquet([{', '.join(map(quote, files))}])" for files in (profiles, states))
    return _replace(lake, lake.cursor(), made, done)


COUNTS = """
    SELECT (SELECT count(*) FROM {states}), (SELECT count(*) FROM {made}),
           (SELECT count(DISTINCT (user_key, item_id)) FROM {made} WHERE origin = 'neighbours'),
           (SELECT count(*) FROM {states} WHERE profile_digest = '{no_profile}')
"""
COUNTED = (
    "targets_profiled", "references_selected", "targets_helped_by_others", "targets_without_references",
)  # fmt: skip


def _replace(lake: Lake, connection: DuckDBPyConnection, made: str, states: str) -> dict[str, int]:
    def replace(connection: DuckDBPyConnection) -> dict[str, int]:
        for name in ("night.profiles", "night.profile_states"):
            connection.execute(
                f"DELETE FROM {name} AS old USING {states} AS done "
                "WHERE old.user_key = done.user_key AND old.item_id = done.item_id"
            )
        for table, rows in ((PROFILES, made), (PROFILE_STATES, states)):
            name, columns = table.qualified_name, ", ".join(table.column_names)
            connection.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {rows}")
        counts = connection.execute(COUNTS.format(made=made, states=states, no_profile=NO_PROFILE))
        return dict(zip(COUNTED, counts.fetchall()[0], strict=True))

    return lake.write(replace, "profiles", connection=connection)
