"""What an earlier reading of a file brought, taken back before the file is read anew."""

from collections.abc import Sequence
from datetime import datetime

from duckdb import DuckDBPyConnection

from feature_store.intake.ledger import Entry
from feature_store.intake.stale_states import mark_stale
from feature_store.schemas import INGESTED_FILES, REJECTED_ROWS, Table


def withdraw(connection: DuckDBPyConnection, table: Table, entries: Sequence[Entry], at: datetime) -> int:
    """Let the rows of earlier readings be superseded, what was refused then forgotten; return their number.

    Args:
        connection: inside a transaction.
        table: of interactions or items.
        entries: the earlier readings.
        at: when they are superseded.
    """
    return sum(_withdraw(connection, table, entry, at) for entry in entries)


def _withdraw(connection: DuckDBPyConnection, table: Table, entry: Entry, at: datetime) -> int:
    parameters = [entry.source, entry.ingested_at]
    own = "source = ? AND ingested_at = ?"
    columns = ", ".join(table.column_names)
    mark = "CREATE OR REPLACE TEMP TABLE withdrawn AS "
    connection.execute(f"{mark} FROM {table.qualified_name} WHERE {own}", parameters)
    mark_stale(connection, table, "withdrawn")
    connection.execute(
        f"INSERT INTO {table.schema}.superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {columns}, ? FROM withdrawn",
        [at],
    )
    deleted = connection.execute(f"DELETE FROM {table.qualified_name} WHERE {own}", parameters)
    num_rows = int(deleted.fetchall()[0][0])
    of_file = "source = ? AND ingested_at = ? AND sha256 = ?"
    connection.execute(
        f"DELETE FROM {REJECTED_ROWS.qualified_name} WHERE {of_file}", [*parameters, entry.sha256]
    )
    connection.execute(
        f"UPDATE {INGESTED_FILES.qualified_name} "
        "SET reading = '', rows_read = rows_read - rejected, rejected = 0 "
        f"WHERE {of_file} AND table_name = ?",
        [*parameters, entry.sha256, table.name],
    )
    return num_rows
