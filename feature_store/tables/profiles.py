"""Profiles: for each (user, target) the few references that were selected from the user's history."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import PROFILES
from feature_store.tables.runs import Run
from feature_store.tables.targets import EVERYBODY, Bucket, wanted_targets

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
PAIRS = """
    SELECT target.user_key, target.item_id, item.target_id, coalesce(target.as_of, $window_end) AS as_of
    {stale}
    ORDER BY length(target.user_id), target.user_id, target.rank
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
    stale = STALE.format(wanted=wanted_targets(max_users), in_bucket=bucket.condition("target.user_id"))
    parameters: dict[str, object] = {"recipe_digest": recipe_digest, "window_end": run.window_end}
    return lake.query(PAIRS.format(stale=stale), parameters)


def count_stale_users(lake: Lake, *, recipe_digest: str, max_users: int | None) -> int:
    """Return how many users have a target to profile."""
    stale = STALE.format(wanted=wanted_targets(max_users), in_bucket="true")
    sql = f"SELECT count(DISTINCT target.user_key) AS n {stale}"
    return lake.query(sql, {"recipe_digest": recipe_digest})["n"][0].as_py()


def profile_digest(target_id: int, references: list[tuple[int, float]]) -> str:
    """Digest what a profile says: the target's text, and the references' texts with their shares of weight.

    The order of the references and a common factor of their weights change nothing, as in personalized
    attention.
    """
    total = sum(weight for _, weight in references)
    shares = sorted((reference_id, f"{weight / total:.9g}") for reference_id, weight in references)
    return hashlib.sha256(json.dumps([target_id, shares]).encode()).hexdigest()[:32]


def replace_profiles(
    lake: Lake, pairs: pa.Table, profiles: Sequence[ProfileRow], *, recipe_digest: str, run_id: str
) -> None:
    """Let `profiles` stand for all profile rows of `pairs`, which are then up to date, in one transaction.

    Args:
        lake: where they go.
        pairs: `user_key`, `item_id`; a pair without history ends up without rows.
        profiles: rows of `night.profiles`.
        recipe_digest: settings and encoder that they depend on.
        run_id: the night.
    """
    made = PROFILES.to_arrow(profiles)

    def replace(connection: DuckDBPyConnection) -> None:
        connection.register("pairs", pairs.select(["user_key", "item_id"]))
        connection.register("made", made)
        for table in ("night.profiles", "night.profile_states"):
            connection.execute(
                f"DELETE FROM {table} AS old USING pairs "
                "WHERE old.user_key = pairs.user_key AND old.item_id = pairs.item_id"
            )
        columns = ", ".join(PROFILES.column_names)
        connection.execute(f"INSERT INTO night.profiles ({columns}) SELECT {columns} FROM made")
        connection.execute(
            "INSERT INTO night.profile_states "
            "SELECT user_key, item_id, coalesce(any_value(profile_digest), ?), ?, ? "
            "FROM pairs LEFT JOIN made USING (user_key, item_id) GROUP BY ALL",
            [NO_PROFILE, recipe_digest, run_id],
        )

    lake.write(replace, f"profiles of {pairs.num_rows} targets")
