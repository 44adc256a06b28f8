"""What was known at the end of a past window, as a lake of its own, for the same stages to run on again."""

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import DESCRIPTIONS, GIVEN_TARGETS, INTERACTIONS, ITEMS, OPT_OUTS, USERS
from feature_store.tables.profiles import NO_PROFILE
from feature_store.tables.runs import Run

KNOWN = """
    SELECT {columns} FROM {schema}.{table} WHERE ingested_at < $window_end
    UNION ALL
    SELECT {columns} FROM {schema}.superseded_{table}
    WHERE ingested_at < $window_end AND superseded_at >= $window_end
"""
CHANGED_ITEMS = """
    SELECT item_id FROM (
        SELECT item_id, ingested_at FROM items UNION ALL SELECT item_id, ingested_at FROM superseded_items
    ) WHERE ingested_at >= $window_start AND ingested_at < $window_end
    UNION ALL
    SELECT item_id FROM descriptions
    WHERE picture_sha256 IS NOT NULL AND described_at >= $window_start AND described_at < $window_end
"""
"""Items that the window took in, new or corrected, or whose pictures it described."""
CHANGED_USERS = f"""
    SELECT DISTINCT user_key FROM (
        SELECT user_key, item_id, event_time, ingested_at, NULL AS superseded_at FROM keyed.interactions
        UNION ALL
        SELECT user_key, item_id, event_time, ingested_at, superseded_at FROM keyed.superseded_interactions
    ) WHERE ingested_at < $window_end AND coalesce(superseded_at >= $window_start, true) AND (
        ingested_at >= $window_start OR superseded_at < $window_end
        OR event_time >= $window_start AND event_time < $window_end OR item_id IN ({CHANGED_ITEMS})
    )
"""
"""Users whose history the window changed: by what it took in or corrected, and by what its clock reached."""
LISTED = """
    SELECT * FROM keyed.target_lists WHERE recipe_digest = {recipe} AND ingested_at < ${time}
    QUALIFY ingested_at = max(ingested_at) OVER (PARTITION BY user_key)
"""
"""The lists of targets that counted at a time."""
GIVEN_LISTED = LISTED.replace("{recipe}", quote(GIVEN_TARGETS))
GIVEN = f"""
    SELECT listed.*,
           $window_start IS NULL OR before.user_key IS NULL OR listed.user_key IN ({CHANGED_USERS})
           OR listed.item_id IN ({CHANGED_ITEMS}) AS is_changed
    FROM ({GIVEN_LISTED.format(time="window_end")}) AS listed
    LEFT JOIN ({GIVEN_LISTED.format(time="window_start")}) AS before USING (user_key, item_id)
"""

LAST_CHANGES = """
    SELECT user_key, max(changed_at) AS changed_at FROM (
        SELECT user_key, ingested_at AS changed_at FROM keyed.interactions
        UNION ALL SELECT user_key, unnest([ingested_at, superseded_at]) FROM keyed.superseded_interactions
    ) WHERE changed_at < $window_end GROUP BY user_key
"""
"""When the lake last learnt something of each user."""
MADE = f"""
    SELECT listed.*, listed.item_id IN ({CHANGED_ITEMS}) AS is_changed
    FROM ({LISTED.replace("{time}", "window_end")}) AS listed JOIN ({LAST_CHANGES}) USING (user_key)
    WHERE changed_at < listed.ingested_at AND user_key NOT IN ({CHANGED_USERS})
"""
"""Targets that an earlier night made for users whom the window did not change.

A list older than its user's last change was followed by none: the user had no targets left.
"""


class UnknownRunError(LookupError):
    """There is no run of that id."""


def read_window(lake: Lake, run_id: str) -> Run:
    """Return a past run with its window.

    Raises:
        UnknownRunError: if there is none, naming the latest ones.
    """
    sql = "SELECT run_id, window_start, window_end FROM runs ORDER BY window_end DESC"
    rows = lake.query(sql).to_pylist()
    for row in rows:
        if row["run_id"] == run_id:
            return Run(**row)
    latest = ", ".join(row["run_id"] for row in rows[:5]) or "none"
    raise UnknownRunError(f"there is no run {run_id}; the latest are {latest}")


def copy_known(lake: Lake, past: Lake, run: Run, *, targets_recipe: str) -> None:
    """Fill an empty lake with what was known of interactions and items at the end of a run's window.

    Users whose history the window did not change are marked as up to date, as they were then.

    Args:
        lake: what is known now, with what corrections superseded.
        past: where it goes.
        run: the past run.
        targets_recipe: settings that targets depend on.
    """
    for table in (USERS, OPT_OUTS):
        columns = ", ".join(table.column_names)
        rows = f"SELECT {columns} FROM {table.qualified_name}"
        _copy(lake, past, run, rows, f"INSERT INTO {table.qualified_name} FROM known")
    for table in (INTERACTIONS, ITEMS):
        columns = ", ".join(table.column_names)
        known = KNOWN.format(schema=table.schema, table=table.name, columns=columns)
        _copy(lake, past, run, known, f"INSERT INTO {table.qualified_name} FROM known")
    described = f"SELECT * FROM {DESCRIPTIONS.qualified_name} WHERE described_at < $window_end"
    _copy(lake, past, run, described, f"INSERT INTO {DESCRIPTIONS.qualified_name} FROM known")
    if run.window_start is not None:
        unchanged = "SELECT DISTINCT user_key FROM keyed.interactions WHERE user_key NOT IN (FROM known)"
        states = f"INSERT INTO night.target_states SELECT user_key, $1, $2 FROM ({unchanged})"
        _copy(lake, past, run, CHANGED_USERS, states, [targets_recipe, run.run_id])


def copy_given_targets(lake: Lake, past: Lake, run: Run, *, profile_recipe: str) -> None:
    """Give a past lake the recommendation lists that counted at the end of a run's window.

    Targets that neither the window's lists nor its events and items changed are marked as profiled already.

    Args:
        lake: what is known now, with every list that was ever taken in.
        past: where they go.
        run: the past run.
        profile_recipe: settings and encoder that profiles depend on.
    """
    _copy_targets(lake, past, run, GIVEN, profile_recipe)


def copy_made_targets(lake: Lake, past: Lake, run: Run, *, targets_recipe: str, profile_recipe: str) -> None:
    """Give a past lake the targets that nights before had made for the users whom the window did not change.

    All but those of items that the window changed are marked as profiled already.

    Args:
        lake: what is known now, with every list that was ever made.
        past: where they go.
        run: the past run.
        targets_recipe: settings that targets depend on.
        profile_recipe: settings and encoder that profiles depend on.
    """
    if run.window_start is not None:
        _copy_targets(lake, past, run, MADE.format(recipe=quote(targets_recipe)), profile_recipe)


def _copy_targets(lake: Lake, past: Lake, run: Run, query: str, profile_recipe: str) -> None:
    targets = "SELECT user_key, item_id, rank, score, as_of, source, recipe_digest, run_id FROM known"
    _copy(lake, past, run, query, f"INSERT INTO night.targets {targets}")
    states = f"SELECT user_key, item_id, '{NO_PROFILE}', $1, $2 FROM known WHERE NOT is_changed"
    _copy(lake, past, run, query, f"INSERT INTO night.profile_states {states}", [profile_recipe, run.run_id])


def _copy(
    lake: Lake, past: Lake, run: Run, query: str, insert: str, parameters: list[str] | None = None
) -> None:
    """Insert into `past` what a query on `lake`, with the run's window, calls `known`."""
    window = {"window_start": run.window_start, "window_end": run.window_end}
    named = {name: time for name, time in window.items() if f"${name}" in query}
    connection = past.cursor()
    connection.register("known", lake.cursor().execute(query, named).to_arrow_reader())

    def copy(connection: DuckDBPyConnection) -> None:
        connection.execute(insert, parameters or [])

    past.write(copy, "what was known then", connection=connection)
