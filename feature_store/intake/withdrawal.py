"""What earlier readings of files brought, taken back before the files are read anew."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.intake.offers import Entry
from feature_store.intake.stale_states import mark_stale
from feature_store.lake.sql import arrow_rows, quote
from feature_store.schemas import INGESTED_FILES, REJECTED_ROWS, Table

WITHDRAWN = "withdrawn_rows"
"""Temporary table of the rows that go, with the `place` of the file that they make room for."""
_TIME = pa.timestamp("us", "UTC")
_ENTRIES = pa.schema(
    [("source", pa.string()), ("sha256", pa.string()), ("ingested_at", _TIME)]
    + [("superseded_at", _TIME), ("place", pa.int32())]
)


def withdraw(
    connection: DuckDBPyConnection, table: Table, entries: Sequence[tuple[Entry, datetime, int]]
) -> None:
    """Let the rows of earlier readings be superseded, what was refused then forgotten.

    Args:
        connection: inside a transaction.
        table: of interactions or items.
        entries: the earlier readings, when each is superseded and the place of the file that does it.
    """
    rows = [(one.source, one.sha256, one.ingested_at, at, place) for one, at, place in entries]
    connection.register("withdrawn_entries", arrow_rows(_ENTRIES, rows))
    times = [one.ingested_at for one, _, _ in entries]
    # The span of times lets the lake pass over files that have none of the rows.
    span = f"ingested_at BETWEEN {_time(min(times))} AND {_time(max(times))}"
    _keep_withdrawn(connection, table, span)
    own = "(source, ingested_at) IN (SELECT (source, ingested_at) FROM withdrawn_entries)"
    connection.execute(f"DELETE FROM {table.qualified_name} WHERE {span} AND {own}")
    of_file = (
        f"{span} AND (source, ingested_at, sha256) IN "
        "(SELECT (source, ingested_at, sha256) FROM withdrawn_entries)"
    )
    connection.execute(f"DELETE FROM {REJECTED_ROWS.qualified_name} WHERE {of_file}")
    connection.execute(
        f"UPDATE {INGESTED_FILES.qualified_name} "
        "SET reading = '', rows_read = rows_read - rejected, rejected = 0 "
        f"WHERE {of_file} AND table_name = {quote(table.name)}"
    )


def _keep_withdrawn(connection: DuckDBPyConnection, table: Table, span: str) -> None:
    """Move the rows to those that are superseded, and their users' states away."""
    columns = ", ".join(table.column_names)
    times = "SELECT source, ingested_at, superseded_at, place FROM withdrawn_entries"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {WITHDRAWN} AS SELECT {columns}, superseded_at, place "
        f"FROM (FROM {table.qualified_name} WHERE {span}) JOIN ({times}) USING (source, ingested_at)"
    )
    mark_stale(connection, table, WITHDRAWN)
    connection.execute(
        f"INSERT INTO {table.schema}.superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {columns}, superseded_at FROM {WITHDRAWN}"
    )


def _time(at: datetime) -> str:
    return f"TIMESTAMPTZ {quote(at.isoformat())}"
