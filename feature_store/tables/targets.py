"""Which pictures are wanted: the items that are about to be recommended to each user.

Targets come in a recommendation list (`ingest`), or are made here for the users whose history changed: from
a recommender's answer, or as the user's latest items with the history before them, as the paper evaluates.
"""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.history.liking import IS_LIKED, LAST_LIKED
from feature_store.lake.lake import Lake
from feature_store.lake.reader_views import WILLING
from feature_store.schemas import GIVEN_TARGETS, TARGET_LISTS, USERS
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
        return f"{bucket_number(column, self.count)} = {self.number}"


def bucket_number(column: str, count: int) -> str:
    """Write the SQL of which of some buckets a user is in."""
    return f"(md5_number_lower({column}) % {max(count, 1)})::BIGINT"


EVERYBODY = Bucket()
KNOWN = "known_events($known_before, $known_before)"
"""Events of a night: those of the future choose nobody."""


def first_users(relation: str, max_users: int | None) -> str:
    """Write the SQL of the users of a relation that a limit leaves, without those who opted out.

    Those with short ids come first: where users are numbered, new ones do not change the choice.
    """
    users = f"SELECT DISTINCT user_key FROM {relation} WHERE {WILLING}"
    if max_users is None:
        return users
    named = f"SELECT user_key, user_id FROM ({users}) JOIN {USERS.qualified_name} USING (user_key)"
    return f"SELECT user_key FROM ({named}) ORDER BY length(user_id), user_id LIMIT {max_users}"


def scan_stale_users(
    lake: Lake, *, known_before: datetime, recipe_digest: str, max_users: int | None
) -> list[int]:
    """Return the keys of the users whose targets have to be made: new, changed, or made by other settings.

    Args:
        lake: where interactions and targets are.
        known_before: only who did something that happened and was ingested before this time counts.
        recipe_digest: settings that targets depend on.
        max_users: look at this many users only, or None for all.
    """
    rows = lake.query(
        f"SELECT user_key FROM ({first_users(KNOWN, max_users)}) "
        "ANTI JOIN (FROM night.target_states WHERE recipe_digest = $recipe_digest) USING (user_key) "
        f"JOIN {USERS.qualified_name} USING (user_key) ORDER BY length(user_id), user_id",
        {"recipe_digest": recipe_digest, "known_before": known_before},
    )
    return rows["user_key"].to_pylist()


def scan_preferences(lake: Lake, run: Run) -> pa.Table:
    """Return what users think of items: `user_key`, `item_id`, `weight`, added up over the user's events.

    Users come in the order of their ids, so that a key, which is random, decides nothing.
    """
    return lake.query(
        "SELECT user_key, item_id, weight FROM ("
        "  SELECT user_key, item_id, sum(weight) AS weight"
        "  FROM known_events($window_end, $window_end) GROUP BY ALL"
        f") JOIN {USERS.qualified_name} USING (user_key) ORDER BY user_id, item_id",
        {"window_end": run.window_end},
    )


def scan_latest_items(lake: Lake, run: Run, users: list[int], *, num_targets: int) -> pa.Table:
    """Return the users' latest liked items as targets, the history of each ending before the earliest one.

    Returns:
        `user_key`, `item_id`, `rank` (1 = latest), `score` (null), `as_of`.
    """
    connection = lake.cursor()
    connection.register("users", pa.table({"user_key": pa.array(users, pa.int64())}))
    return connection.execute(
        f"""
        WITH latest AS (
            SELECT user_key, item_id, {LAST_LIKED} AS event_time
            FROM known_events($window_end, $window_end) AS event SEMI JOIN users USING (user_key)
            GROUP BY ALL HAVING {IS_LIKED}
        ),
        ranked AS (
            SELECT *, row_number() OVER (PARTITION BY user_key ORDER BY event_time DESC, item_id) AS rank
            FROM latest
        )
        SELECT user_key, item_id, rank::INTEGER AS rank, NULL::DOUBLE AS score,
               min(event_time) OVER (PARTITION BY user_key) AS as_of
        FROM (FROM ranked WHERE rank <= $num_targets)
        """,
        {"window_end": run.window_end, "num_targets": num_targets},
    ).to_arrow_table()


def replace_targets(
    lake: Lake, run: Run, users: list[int], targets: pa.Table, *, source: str, recipe_digest: str
) -> int:
    """Let `targets` stand for all targets of these users, who may end up with none; return their number.

    Args:
        lake: where they go.
        run: the night.
        users: whose targets are replaced.
        targets: `user_key`, `item_id`, `rank`, `score`, `as_of`.
        source: what made them.
        recipe_digest: settings that they depend on.
    """

    def replace(connection: DuckDBPyConnection) -> int:
        connection.register("users", pa.table({"user_key": pa.array(users, pa.int64())}))
        connection.register("made", targets)
        connection.execute("DELETE FROM night.targets WHERE user_key IN (SELECT user_key FROM users)")
        append_targets(connection, "made", source, recipe_digest, listed_at=run.window_end, run_id=run.run_id)
        connection.execute("DELETE FROM night.target_states WHERE user_key IN (SELECT user_key FROM users)")
        connection.execute(
            "INSERT INTO night.target_states FROM (SELECT user_key, ?, ? FROM users)",
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
        targets: a relation with `user_key`, `item_id`, `rank`, `score`, `as_of`.
        source: what gave or made them.
        recipe_digest: settings that they depend on, or `GIVEN_TARGETS`.
        listed_at: when they were given, or the end of the window that they were made for.
        run_id: the night.
    """
    own = "user_key, item_id, rank, score, as_of"
    connection.execute(
        f"INSERT INTO night.targets ({own}, source, recipe_digest, run_id) "
        f"SELECT {own}, ?, ?, ? FROM {targets}",
        [source, recipe_digest, run_id],
    )
    connection.execute(
        f"INSERT INTO {TARGET_LISTS.qualified_name} ({own}, source, recipe_digest, ingested_at, run_id) "
        f"SELECT {own}, ?, ?, ?, ? FROM {targets}",
        [source, recipe_digest, listed_at, run_id],
    )


def wanted_targets(max_users: int | None) -> str:
    """Write the SQL of the targets that pictures are made for: those of the first users, or of all.

    Users who opted out are never among them.
    """
    wanted = WILLING
    if max_users is not None:
        wanted = f"user_key IN ({first_users('night.targets', max_users)})"
    return f"(SELECT * FROM night.targets JOIN {USERS.qualified_name} USING (user_key) WHERE {wanted})"


def count_users_beyond(lake: Lake, max_users: int | None) -> int:
    """Return how many users have targets and get no pictures, for a limit leaves them out."""
    if max_users is None:
        return 0
    rows = lake.query(
        f"SELECT count(DISTINCT user_key) AS n FROM night.targets "
        f"WHERE {WILLING} "
        f"AND user_key NOT IN ({first_users('night.targets', max_users)})"
    )
    return int(rows["n"][0].as_py())


def drop_unwanted(lake: Lake, *, known_before: datetime, max_users: int | None, only_given: bool) -> int:
    """Drop targets that settings made and no longer want, and the profiles and pictures of unwanted targets.

    Targets given in a recommendation list stay, since their file is taken in only once.

    Args:
        lake: where they are.
        known_before: as for `scan_stale_users`.
        max_users: targets are wanted for this many users only, or None for all.
        only_given: targets come from recommendation lists only.

    Returns:
        Number of targets dropped.
    """
    users = "SELECT NULL LIMIT 0" if only_given else first_users(KNOWN, max_users)
    asked = {} if only_given else {"known_before": known_before}

    def drop(connection: DuckDBPyConnection) -> int:
        connection.execute(f"DELETE FROM night.target_states WHERE user_key NOT IN ({users})", asked)
        dropped = connection.execute(
            f"DELETE FROM night.targets WHERE recipe_digest <> '{GIVEN_TARGETS}' "
            "AND user_key NOT IN (SELECT user_key FROM night.target_states)"
        )
        num_dropped = int(dropped.fetchall()[0][0])
        wanted = f"SELECT user_key, item_id FROM {wanted_targets(max_users)}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS {wanted}")
        for table in ("night.profiles", "night.profile_states", "night.artworks"):
            connection.execute(
                f"DELETE FROM {table} AS made WHERE NOT EXISTS (FROM wanted AS t "
                "WHERE t.user_key = made.user_key AND t.item_id = made.item_id)"
            )
        return num_dropped

    return lake.write(drop, "drop what is not wanted any more")
