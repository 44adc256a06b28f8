"""Which pictures are wanted: the items that are about to be recommended to each user.

Targets come in a recommendation list (`ingest`), or are made here for the users whose history changed: from
a recommender's answer, or as the user's latest items with the history before them, as the paper evaluates.
"""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import GIVEN_TARGETS
from feature_store.tables.runs import Run


@dataclass(frozen=True)
class Bucket:
    """A share of the users that is worked on together, the same users in every run."""

    number: int = 0
    """Which of the buckets, from 0."""
    count: int = 1
    """How many buckets there are."""

    def condition(self, column: str) -> str:
        """Write the SQL that is true for a user of this bucket."""
        return f"md5_number_lower({column}) % {self.count} = {self.number}"


EVERYBODY = Bucket()


def first_users(relation: str, max_users: int | None) -> str:
    """Write the SQL of the users of a relation that a limit leaves, without those who opted out.

    New users do not change the choice.
    """
    users = f"SELECT DISTINCT user_id FROM {relation} WHERE user_id NOT IN (SELECT user_id FROM opt_outs)"
    if max_users is None:
        return users
    return f"SELECT user_id FROM ({users}) ORDER BY length(user_id), user_id LIMIT {max_users}"


def scan_stale_users(lake: Lake, *, recipe_digest: str, max_users: int | None) -> list[str]:
    """Return the users whose targets have to be made: new, changed, or made by other settings.

    Args:
        lake: where interactions and targets are.
        recipe_digest: settings that targets depend on.
        max_users: look at this many users only, or None for all.
    """
    rows = lake.query(
        f"SELECT user_id FROM ({first_users('interactions', max_users)}) "
        "ANTI JOIN (FROM night.target_states WHERE recipe_digest = ?) USING (user_id) "
        "ORDER BY length(user_id), user_id",
        [recipe_digest],
    )
    return rows["user_id"].to_pylist()


def scan_preferences(lake: Lake, run: Run) -> pa.Table:
    """Return what users think of items: `user_id`, `item_id`, `weight`, added up over the user's events."""
    return lake.query(
        "SELECT user_id, item_id, sum(weight) AS weight FROM interactions "
        "WHERE event_time < $window_end AND ingested_at < $window_end "
        "GROUP BY ALL ORDER BY ALL",
        {"window_end": run.window_end},
    )


def scan_latest_items(lake: Lake, run: Run, users: list[str], *, num_targets: int) -> pa.Table:
    """Return the users' latest liked items as targets, the history of each ending before the earliest one.

    Returns:
        `user_id`, `item_id`, `rank` (1 = latest), `score` (null), `as_of`.
    """
    connection = lake.cursor()
    connection.register("users", pa.table({"user_id": pa.array(users, pa.string())}))
    return connection.execute(
        """
        WITH latest AS (
            SELECT user_id, item_id, max(event_time) AS event_time
            FROM interactions SEMI JOIN users USING (user_id)
            WHERE event_time < $window_end AND ingested_at < $window_end AND weight > 0
            GROUP BY ALL
        ),
        ranked AS (
            SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY event_time DESC, item_id) AS rank
            FROM latest
        )
        SELECT user_id, item_id, rank::INTEGER AS rank, NULL::DOUBLE AS score,
               min(event_time) OVER (PARTITION BY user_id) AS as_of
        FROM (FROM ranked WHERE rank <= $num_targets)
        """,
        {"window_end": run.window_end, "num_targets": num_targets},
    ).to_arrow_table()


def replace_targets(
    lake: Lake, run: Run, users: list[str], targets: pa.Table, *, source: str, recipe_digest: str
) -> int:
    """Let `targets` stand for all targets of these users, who may end up with none; return their number.

    Args:
        lake: where they go.
        run: the night.
        users: whose targets are replaced.
        targets: `user_id`, `item_id`, `rank`, `score`, `as_of`.
        source: what made them.
        recipe_digest: settings that they depend on.
    """

    def replace(connection: DuckDBPyConnection) -> int:
        connection.register("users", pa.table({"user_id": pa.array(users, pa.string())}))
        connection.register("made", targets)
        connection.execute("DELETE FROM night.targets WHERE user_id IN (SELECT user_id FROM users)")
        append_targets(connection, "made", source, recipe_digest, listed_at=run.window_end, run_id=run.run_id)
        connection.execute("DELETE FROM night.target_states WHERE user_id IN (SELECT user_id FROM users)")
        connection.execute(
            "INSERT INTO night.target_states FROM (SELECT user_id, ?, ? FROM users)",
            [recipe_digest, run.run_id],
        )
        return targets.num_rows

    return lake.write(replace, f"targets of {len(users)} users")


def append_targets(
    connection: DuckDBPyConnection,
    targets: str,
    source: str,
    recipe_digest: str,
    *,
    listed_at: datetime,
    run_id: str,
) -> None:
    """Add targets to those of the night, and to the lists that are kept for backfills.

    Args:
        connection: inside a transaction that has deleted the users' other targets.
        targets: a relation with `user_id`, `item_id`, `rank`, `score`, `as_of`.
        source: what gave or made them.
        recipe_digest: settings that they depend on, or `GIVEN_TARGETS`.
        listed_at: when they were given, or the end of the window that they were made for.
        run_id: the night.
    """
    own = "user_id, item_id, rank, score, as_of"
    connection.execute(
        f"INSERT INTO night.targets ({own}, source, recipe_digest, run_id) "
        f"SELECT {own}, ?, ?, ? FROM {targets}",
        [source, recipe_digest, run_id],
    )
    connection.execute(
        f"INSERT INTO target_lists ({own}, source, recipe_digest, ingested_at, run_id) "
        f"SELECT {own}, ?, ?, ?, ? FROM {targets}",
        [source, recipe_digest, listed_at, run_id],
    )


def wanted_targets(max_users: int | None) -> str:
    """Write the SQL of the targets that pictures are made for: those of the first users, or of all.

    Users who opted out are never among them.
    """
    if max_users is None:
        return "(FROM night.targets WHERE user_id NOT IN (SELECT user_id FROM opt_outs))"
    return f"(FROM night.targets WHERE user_id IN ({first_users('night.targets', max_users)}))"


def drop_unwanted(lake: Lake, *, max_users: int | None, only_given: bool) -> int:
    """Drop targets that settings made and no longer want, and the profiles and pictures of unwanted targets.

    Targets given in a recommendation list stay, since their file is taken in only once.

    Args:
        lake: where they are.
        max_users: targets are wanted for this many users only, or None for all.
        only_given: targets come from recommendation lists only.

    Returns:
        Number of targets dropped.
    """
    users = "SELECT NULL LIMIT 0" if only_given else first_users("interactions", max_users)

    def drop(connection: DuckDBPyConnection) -> int:
        connection.execute(f"DELETE FROM night.target_states WHERE user_id NOT IN ({users})")
        dropped = connection.execute(
            f"DELETE FROM night.targets WHERE recipe_digest <> '{GIVEN_TARGETS}' "
            "AND user_id NOT IN (SELECT user_id FROM night.target_states)"
        )
        num_dropped = int(dropped.fetchall()[0][0])
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT user_id, item_id FROM {wanted_targets(max_users)}"
        )
        for table in ("night.profiles", "night.profile_states", "night.artworks"):
            connection.execute(
                f"DELETE FROM {table} AS made WHERE NOT EXISTS (FROM wanted AS t "
                "WHERE t.user_id = made.user_id AND t.item_id = made.item_id)"
            )
        return num_dropped

    return lake.write(drop, "drop what is not wanted any more")
