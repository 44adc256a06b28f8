"""What readers see: views that say `user_id`, of what is known now and of the last published night.

The macro `known_events` is the one definition of what counts as a user's history; the night, commands and
analysts all ask it.
"""

import duckdb
from duckdb import DuckDBPyConnection

from feature_store.lake.sql import LAKE
from feature_store.schemas import (
    INTERACTIONS,
    KEYED_TABLES,
    OPT_OUTS,
    PUBLISHED_TABLES,
    SUPERSEDED_INTERACTIONS,
    USERS,
    Table,
)

WILLING = f"user_key NOT IN (SELECT user_key FROM {OPT_OUTS.qualified_name})"
"""SQL: whether a row is of a user who did not opt out."""
KNOWN_EVENTS = f"""
    CREATE OR REPLACE MACRO main.known_events(as_of, known_before) AS TABLE
    SELECT * FROM (
        SELECT {", ".join(INTERACTIONS.column_names)} FROM {INTERACTIONS.qualified_name}
        WHERE ingested_at < known_before
        UNION ALL
        SELECT {", ".join(INTERACTIONS.column_names)} FROM {SUPERSEDED_INTERACTIONS.qualified_name}
        WHERE ingested_at < known_before AND superseded_at >= known_before
    ) WHERE event_time < as_of AND {WILLING}
"""
"""Events of before a time, as they were known before another: late ones and later corrections are left out.

Whoever opted out has none, whenever that was; whoever was forgotten has no rows.
"""


PICTURES = """
    CREATE OR REPLACE {view} AS
    SELECT artwork.user_id, artwork.user_key, artwork.item_id, item.title, item.target_text AS prompt,
           target.rank, coalesce(artwork.image_path, item.stock_image_uri) AS picture,
           artwork.plain_image_path, artwork.visible_change, artwork.status, artwork.reason,
           artwork.num_references, artwork.num_images, artwork.tokens_cut, profile.reference_titles,
           artwork.model_version, artwork.drawn_at, artwork.run_id
    FROM {schema}.artworks AS artwork
    LEFT JOIN {schema}.targets AS target USING (user_key, item_id)
    LEFT JOIN main.items AS item USING (item_id)
    LEFT JOIN (
        SELECT chosen.user_key, chosen.item_id,
               list(coalesce(liked.title, chosen.reference_item_id) ORDER BY chosen.position)
                   AS reference_titles
        FROM {schema}.profiles AS chosen
        LEFT JOIN main.items AS liked ON liked.item_id = chosen.reference_item_id
        GROUP BY ALL
    ) AS profile USING (user_key, item_id)
"""
"""What was drawn, for whom and why, in one row: a published night, joined up for analysts."""


def create_views(connection: DuckDBPyConnection) -> None:
    """Create the macro, and a view of what is known now for every table of users."""
    connection.execute(KNOWN_EVENTS)
    for table in KEYED_TABLES:
        if table is not USERS:
            _create_view(connection, table, table.qualified_name)


def pin_views(connection: DuckDBPyConnection, snapshot_id: int) -> None:
    """Show the night's tables as of a snapshot; what was shown as a copy (see `freeze_view`) goes."""
    for table in PUBLISHED_TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {frozen_name(table)}")
        _create_view(connection, table, _as_of(table, snapshot_id))
    connection.execute(PICTURES.format(view="VIEW main.pictures", schema="main"))


def show_snapshot(connection: DuckDBPyConnection, snapshot_id: int) -> None:
    """Let one connection see the night's tables as of a snapshot, by their plain names."""
    for table in PUBLISHED_TABLES:
        _create_view(connection, table, _as_of(table, snapshot_id), view=f"TEMP VIEW {table.name}")
    connection.execute(PICTURES.format(view="TEMP VIEW pictures", schema="temp"))


def _as_of(table: Table, snapshot_id: int) -> str:
    return f"{table.qualified_name} AT (VERSION => {snapshot_id})"


def _create_view(connection: DuckDBPyConnection, table: Table, rows: str, *, view: str = "") -> None:
    # A row that is nobody's, of a refused record or of all users together, has a key that is NULL.
    connection.execute(
        f"CREATE OR REPLACE {view or f'VIEW main.{table.name}'} AS "
        f"SELECT person.user_id, made.* FROM (FROM {rows}) AS made "
        f"LEFT JOIN {USERS.qualified_name} AS person ON person.user_key = made.user_key"
    )


def frozen_name(table: Table) -> str:
    """Name the copy of a published table that readers see when no snapshot may be kept."""
    return f"{table.schema}.published_{table.name}"


def freeze_view(connection: DuckDBPyConnection, table: Table, condition: str) -> None:
    """Let readers see a copy of the published rows that meet a condition, until the next night is published.

    The copy is a table that never held the other rows: DuckLake keeps the lowest and highest values of rows
    that are deleted in the transaction that wrote them.
    """
    name, columns = frozen_name(table), ", ".join(table.column_names)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE kept AS SELECT {columns} FROM main.{table.name} WHERE {condition}"
    )
    connection.execute(f"DROP TABLE IF EXISTS {name}")
    connection.execute(f"CREATE TABLE {name} AS FROM kept")
    _create_view(connection, table, name)
    connection.execute("DROP TABLE kept")


def pinned_snapshots(connection: duckdb.DuckDBPyConnection) -> set[int]:
    """Return the snapshots that the published views are pinned to."""
    views = connection.execute(
        "SELECT regexp_extract(sql, 'VERSION => (\\d+)', 1) FROM duckdb_views() "
        "WHERE database_name = ? AND schema_name = 'main'",
        [LAKE],
    )
    return {int(snapshot_id) for (snapshot_id,) in views.fetchall() if snapshot_id}
