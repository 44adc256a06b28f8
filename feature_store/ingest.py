"""Source files into the lake: each content once, every record accounted for, each file in one transaction.

A file comes from an adapter and is staged by it: `staged_rows` holds the records that may enter,
`staged_rejects` those refused, with line, reason and raw text. Here rows known already are told from new and
corrected ones, and the ledger entry is written together with the rows: rows_read = accepted + duplicate +
rejected.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import duckdb
from duckdb import DuckDBPyConnection

from feature_store import schemas
from feature_store.durable_files import checksum
from feature_store.lake import Lake, quote
from feature_store.runs import Run
from feature_store.schemas import GIVEN_TARGETS, Table

LARGE_FILE = 2**23
"""From so many bytes on, a file of events is tried in one pass: most large logs are flawless."""
HASHES_AT_ONCE = 32_000_000
"""Of keys that are compared in memory: 256 MB."""
TABLES = {table.name: table for table in (schemas.INTERACTIONS, schemas.ITEMS, schemas.TARGETS)}


class FlawedFileError(ValueError):
    """A file that was read in one pass has records that are not good or not new."""


class StageableFile(Protocol):
    """A source file as an adapter offers it."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def name(self) -> str:
        """Its name in the ledger."""

    @property
    def source(self) -> str:
        """Adapter that reads it."""

    @property
    def table(self) -> str:
        """Table that its records belong to."""

    def stage(self, connection: DuckDBPyConnection) -> None:
        """Leave `staged_rows` and `staged_rejects` on the connection."""

    def view(self, connection: DuckDBPyConnection) -> int | None:
        """Leave `staged_rows` as a view over the file; return its number of records, None if it cannot."""


@dataclass(frozen=True, kw_only=True)
class FileCounts:
    """The ledger entry of one file."""

    rows_read: int
    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True)
class _Origin:
    """Values of the columns that say where a row came from."""

    source: str
    file: str
    sha256: str
    ingested_at: datetime
    run_id: str


def append_file(lake: Lake, file: StageableFile, run: Run) -> FileCounts | None:
    """Take a source file in.

    Args:
        lake: where it goes.
        file: what an adapter offers.
        run: the run that takes it in.

    Returns:
        Its ledger entry, or None if the same content was taken in before.
    """
    origin = _Origin(file.source, file.name, checksum(file.path), datetime.now(UTC), run.run_id)
    if _is_known(lake, file.table, origin):
        return None
    connection = lake.cursor()
    return _append_at_once(lake, file, origin, connection) or _append_staged(lake, file, origin, connection)


def _append_at_once(
    lake: Lake, file: StageableFile, origin: _Origin, connection: DuckDBPyConnection
) -> FileCounts | None:
    """Insert a large file of events while it is read, if every record is good and new; None if not."""
    table = TABLES[file.table]
    if table is not schemas.INTERACTIONS or file.path.stat().st_size < LARGE_FILE:
        return None
    num_records = file.view(connection)
    if num_records is None:
        return None

    def append(connection: DuckDBPyConnection) -> FileCounts:
        inserted = _insert(connection, table, origin, "staged_rows")
        if inserted != num_records or _repeats_keys(connection, table):
            raise FlawedFileError(file.name)
        _show_inserted(connection, table, origin)
        _mark_stale(connection, table)
        counts = FileCounts(rows_read=inserted, accepted=inserted, duplicate=0, rejected=0)
        _append_ledger(connection, table, origin, counts)
        return counts

    try:
        return lake.write(append, f"ingest {file.name}", connection=connection)
    except (FlawedFileError, duckdb.InvalidInputException, duckdb.ConversionException):
        return None


def _append_staged(
    lake: Lake, file: StageableFile, origin: _Origin, connection: DuckDBPyConnection
) -> FileCounts:
    """Look at every record, then insert those that are good and new."""
    file.stage(connection)
    table = TABLES[file.table]

    def append(connection: DuckDBPyConnection) -> FileCounts:
        if table is schemas.TARGETS:
            accepted = _replace_targets(connection, origin)
        else:
            accepted = _append_rows(connection, table, origin)
        rejected = _append_rejects(connection, origin)
        staged = _count(connection, "staged_rows")
        counts = FileCounts(
            rows_read=staged + rejected, accepted=accepted, duplicate=staged - accepted, rejected=rejected
        )
        _append_ledger(connection, table, origin, counts)
        return counts

    return lake.write(append, f"ingest {file.name}", connection=connection)


def _is_known(lake: Lake, table: str, origin: _Origin) -> bool:
    known = lake.query(
        "SELECT 1 FROM ingested_files WHERE source = ? AND table_name = ? AND sha256 = ? LIMIT 1",
        [origin.source, table, origin.sha256],
    )
    return known.num_rows > 0


def _count(connection: DuckDBPyConnection, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _append_rows(connection: DuckDBPyConnection, table: Table, origin: _Origin) -> int:
    """Insert new rows and let corrected ones take the place of known ones; return the number of both."""
    _tell_clashes(connection, table)
    _mark_stale(connection, table)
    _supersede(connection, table, origin)
    return _insert(connection, table, origin, "fresh")


def _insert(connection: DuckDBPyConnection, table: Table, origin: _Origin, rows: str) -> int:
    staged = ", ".join(table.staged)
    inserted = connection.execute(
        f"INSERT INTO {table.qualified_name} ({staged}, source, ingested_at, run_id) "
        f"SELECT {staged}, ?, ?, ? FROM {rows}",
        [origin.source, origin.ingested_at, origin.run_id],
    )
    return int(inserted.fetchall()[0][0])


def _repeats_keys(connection: DuckDBPyConnection, table: Table) -> bool:
    """Tell whether two rows of a table have one key, or at least one 64-bit hash of it.

    Sorting hashes costs a tenth of grouping keys; parts of them bound the memory that it takes.
    """
    num_parts = _count(connection, table.qualified_name) // HASHES_AT_ONCE + 1
    for part in range(num_parts):
        hashed = f"SELECT hash({', '.join(table.key)}) AS hash FROM {table.qualified_name}"
        chosen = connection.execute(f"SELECT hash FROM ({hashed}) WHERE hash % {num_parts} = {part}")
        hashes = chosen.fetchnumpy()["hash"]
        hashes.sort()
        if bool((hashes[1:] == hashes[:-1]).any()):
            return True
    return False


def _show_inserted(connection: DuckDBPyConnection, table: Table, origin: _Origin) -> None:
    """Leave `fresh`, the rows of this file, and `corrections`, of which there are none."""
    own = f"ingested_at = TIMESTAMPTZ {quote(origin.ingested_at.isoformat())}"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW fresh AS SELECT {', '.join(table.staged)} "
        f"FROM {table.qualified_name} WHERE {own}"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE corrections AS FROM {table.qualified_name} LIMIT 0")


def _tell_clashes(connection: DuckDBPyConnection, table: Table) -> None:
    """Leave `fresh`: one row per key of those staged, without the rows that the lake holds word for word.

    Only keys that the file repeats or the lake knows are looked at value by value; most rows are neither.
    """
    key = ", ".join(table.key)
    known = f"SELECT {key} FROM {table.qualified_name} SEMI JOIN staged_rows USING ({key})"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE clashing_keys AS "
        f"SELECT {key} FROM staged_rows GROUP BY {key} HAVING count(*) > 1 UNION {known}"
    )
    values = [column for column in table.staged if column not in table.key]
    order = ", ".join(f"{column} DESC" for column in values)
    same = " AND ".join(
        [f"known.{column} = clash.{column}" for column in table.key]
        + [f"known.{column} IS NOT DISTINCT FROM clash.{column}" for column in values]
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE corrections AS "
        f"SELECT DISTINCT ON ({key}) * "
        f"FROM (FROM staged_rows SEMI JOIN clashing_keys USING ({key})) AS clash "
        f"WHERE NOT EXISTS (FROM {table.qualified_name} AS known WHERE {same}) ORDER BY {key}, {order}"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW fresh AS "
        f"FROM staged_rows ANTI JOIN clashing_keys USING ({key}) UNION ALL FROM corrections"
    )


def _supersede(connection: DuckDBPyConnection, table: Table, origin: _Origin) -> None:
    """Move what is corrected out of the way, so that what was known before stays known."""
    key, columns = ", ".join(table.key), ", ".join(table.column_names)
    connection.execute(
        f"INSERT INTO superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {columns}, ? FROM {table.qualified_name} SEMI JOIN corrections USING ({key})",
        [origin.ingested_at],
    )
    matches = " AND ".join(f"known.{column} = corrections.{column}" for column in table.key)
    connection.execute(f"DELETE FROM {table.qualified_name} AS known USING corrections WHERE {matches}")


def _mark_stale(connection: DuckDBPyConnection, table: Table) -> None:
    """Take away the states of the users whose history changes, with the rows that change it.

    A correction may give an event to another user: then the histories of both change.
    """
    if table is schemas.ITEMS:
        users = "SELECT user_id FROM interactions SEMI JOIN fresh USING (item_id)"
        items = "SELECT item_id FROM fresh"
    else:
        corrected = "SELECT user_id FROM interactions SEMI JOIN corrections USING (interaction_id)"
        users, items = f"SELECT user_id FROM fresh UNION {corrected}", "SELECT NULL"
    having = "SELECT user_id FROM night.target_states UNION ALL SELECT user_id FROM night.profile_states"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE changed_users AS "
        f"SELECT DISTINCT user_id FROM ({users}) WHERE user_id IN ({having})"
    )
    connection.execute("DELETE FROM night.target_states WHERE user_id IN (FROM changed_users)")
    connection.execute(
        f"DELETE FROM night.profile_states WHERE user_id IN (FROM changed_users) OR item_id IN ({items})"
    )


def _replace_targets(connection: DuckDBPyConnection, origin: _Origin) -> int:
    """Let the file's lists stand for those of its users; return the number of targets."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE fresh AS "
        "SELECT DISTINCT ON (user_id, item_id) * FROM staged_rows ORDER BY user_id, item_id, rank"
    )
    connection.execute("DELETE FROM night.targets WHERE user_id IN (SELECT user_id FROM fresh)")
    connection.execute(
        "INSERT INTO night.targets (user_id, item_id, rank, score, as_of, source, recipe_digest, run_id) "
        "SELECT user_id, item_id, rank, score, as_of, ?, ?, ? FROM fresh",
        [origin.source, GIVEN_TARGETS, origin.run_id],
    )
    connection.execute(
        "INSERT INTO target_lists (user_id, item_id, rank, score, as_of, source, ingested_at, run_id) "
        "SELECT user_id, item_id, rank, score, as_of, ?, ?, ? FROM fresh",
        [origin.source, origin.ingested_at, origin.run_id],
    )
    return _count(connection, "fresh")


def _append_rejects(connection: DuckDBPyConnection, origin: _Origin) -> int:
    connection.execute(
        "INSERT INTO rejected_rows (source, file, sha256, line, reason, raw, ingested_at, run_id) "
        "SELECT ?, ?, ?, line, reason, raw, ?, ? FROM staged_rejects",
        [origin.source, origin.file, origin.sha256, origin.ingested_at, origin.run_id],
    )
    return _count(connection, "staged_rejects")


def _append_ledger(connection: DuckDBPyConnection, table: Table, origin: _Origin, counts: FileCounts) -> None:
    connection.execute(
        "INSERT INTO ingested_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            origin.source, origin.file, table.name, origin.sha256,
            counts.rows_read, counts.accepted, counts.duplicate, counts.rejected,
            origin.ingested_at, origin.run_id,
        ],
    )  # fmt: skip
