"""What earlier readings of files brought, or refused, taken back before it is read anew."""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.intake.offers import Entry, Offer
from feature_store.intake.stale_states import mark_stale
from feature_store.lake.relations import keep
from feature_store.lake.sql import arrow_rows, quote
from feature_store.schemas import INGESTED_FILES, NO_ITEM, REJECTED_ROWS, Table

_TIME = pa.timestamp("us", "UTC")
_ENTRIES = pa.schema(
    [("source", pa.string()), ("sha256", pa.string()), ("ingested_at", _TIME)]
    + [("superseded_at", _TIME), ("place", pa.int32())]
)
_ROWS_OF = pa.schema([("source", pa.string()), ("ingested_at", _TIME)])
_AWAITED_FILES = pa.schema([("place", pa.int32()), ("source", pa.string()), ("sha256", pa.string())])


def withdraw(
    connection: DuckDBPyConnection, table: Table, entries: Sequence[tuple[Entry, datetime, int]]
) -> str:
    """Let the rows of earlier readings be superseded, what was refused then forgotten.

    Args:
        connection: inside a transaction.
        table: of interactions or items.
        entries: the earlier readings, when each is superseded and the place of the file that does it.

    Returns:
        Relation of the rows that go, with the `place` of the file that they make room for.
    """
    rows = [(one.source, one.sha256, one.ingested_at, at, place) for one, at, place in entries]
    connection.register("withdrawn_entries", arrow_rows(_ENTRIES, rows))
    times = [one.ingested_at for one, _, _ in entries]
    # The span of times lets the lake pass over files that have none of the rows.
    span = f"ingested_at BETWEEN {_time(min(times))} AND {_time(max(times))}"
    withdrawn = _keep_withdrawn(connection, table, span)
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
    return withdrawn


def rows_that_stay(connection: DuckDBPyConnection, table: Table, earlier: Sequence[Entry]) -> str:
    """Relation of the rows of a table that `withdraw` leaves there, until it is asked for anew.

    Args:
        connection: a cursor of the lake.
        table: of interactions or items.
        earlier: the readings that are to be withdrawn.
    """
    rows = [(one.source, one.ingested_at) for one in earlier]
    connection.register("readings_that_go", arrow_rows(_ROWS_OF, rows))
    return f"(FROM {table.qualified_name} ANTI JOIN readings_that_go USING (source, ingested_at))"


def choose_awaited(connection: DuckDBPyConnection, offers: Sequence[Offer], records: str) -> tuple[str, str]:
    """Choose the records to take in: of files that are known, those of lines that waited and need not now.

    Args:
        connection: a cursor of the lake.
        offers: the files.
        records: SQL of their records, which is run once to find those lines.

    Returns:
        SQL of the chosen records; relation of the lines (`place`, `line`), with source and content of each.
    """
    files = [(place, one.file.source, one.sha256) for place, one in enumerate(offers) if one.is_awaited]
    connection.register("awaited_files", arrow_rows(_AWAITED_FILES, files))
    waiting = (
        f"SELECT place, line, source, sha256 FROM {REJECTED_ROWS.qualified_name} "
        f"JOIN awaited_files USING (source, sha256) WHERE reason = {quote(NO_ITEM)}"
    )
    awaited = keep(
        connection,
        "awaited_lines",
        "SELECT place, line, source, sha256 "
        f"FROM (SELECT place, line FROM ({records}) WHERE reason IS NULL) "
        f"JOIN ({waiting}) USING (place, line)",
    )
    known = ", ".join(str(place) for place, *_ in files)
    chosen = (
        f"SELECT * FROM ({records}) "
        f"WHERE place NOT IN ({known}) OR (place, line) IN (SELECT (place, line) FROM {awaited})"
    )
    return chosen, awaited


def forget_awaited(connection: DuckDBPyConnection, awaited: str) -> None:
    """Take what was refused of the lines that are read again out of the account of their first reading.

    Args:
        connection: inside a transaction, and the one that chose the lines.
        awaited: relation of the lines, as they were chosen.
    """
    lines = f"SELECT DISTINCT source, sha256, line FROM {awaited}"
    gone = keep(
        connection,
        "forgotten_refusals",
        "SELECT source, sha256, ingested_at, count(*) AS n "
        f"FROM {REJECTED_ROWS.qualified_name} JOIN ({lines}) USING (source, sha256, line) GROUP BY ALL",
    )
    connection.execute(
        f"DELETE FROM {REJECTED_ROWS.qualified_name} "
        f"WHERE (source, sha256, line) IN (SELECT (source, sha256, line) FROM {awaited})"
    )
    connection.execute(
        f"UPDATE {INGESTED_FILES.qualified_name} AS entry "
        "SET rows_read = entry.rows_read - gone.n, rejected = entry.rejected - gone.n "
        f"FROM {gone} AS gone WHERE entry.source = gone.source "
        "AND entry.sha256 = gone.sha256 AND entry.ingested_at = gone.ingested_at"
    )


def _keep_withdrawn(connection: DuckDBPyConnection, table: Table, span: str) -> str:
    """Move the rows to those that are superseded, and their users' states away."""
    columns = ", ".join(table.column_names)
    times = "SELECT source, ingested_at, superseded_at, place FROM withdrawn_entries"
    withdrawn = keep(
        connection,
        "withdrawn_rows",
        f"SELECT {columns}, superseded_at, place "
        f"FROM (FROM {table.qualified_name} WHERE {span}) JOIN ({times}) USING (source, ingested_at)",
    )
    mark_stale(connection, table, withdrawn)
    connection.execute(
        f"INSERT INTO {table.schema}.superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {columns}, superseded_at FROM {withdrawn}"
    )
    return withdrawn


def _time(at: datetime) -> str:
    return f"TIMESTAMPTZ {quote(at.isoformat())}"
