"""Source files into the lake: each content once, every record accounted for, each file in one transaction.

A file comes from an adapter and is staged by it: `staged_rows` holds the records that may enter,
`staged_rejects` those refused, with line, reason and raw text. Here rows known already are told from new and
corrected ones (see `clashes`), and the ledger entry is written together with the rows: rows_read = accepted +
duplicate + rejected. Large logs are not staged but added while they are read.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store import schemas
from feature_store.intake.clashes import (
    find_clashing,
    find_known,
    repeated_hashes,
    supersede,
    tell_corrections,
)
from feature_store.intake.row_files import added_rows
from feature_store.lake.durable_files import checksum
from feature_store.lake.lake import Lake, quote
from feature_store.schemas import GIVEN_TARGETS, Table
from feature_store.tables.runs import Run
from feature_store.tables.targets import append_targets

LARGE_FILE = 2**23
"""From so many bytes on, a file of events is added while it is read: most of its rows are new."""
LARGEST_SHARE_CLASHING = 0.5
"""Of the rows of a large file that may turn out to be known or repeated: they are written, then deleted."""
TABLES = {table.name: table for table in (schemas.INTERACTIONS, schemas.ITEMS, schemas.TARGETS)}


class MustBeStagedError(Exception):
    """A large file has too many records that are refused, known or repeated."""


class RefusedRecords(Protocol):
    """What a view over a file refuses while it is read."""

    def clear(self) -> None:
        """Forget all, before the view is read again."""

    def table(self) -> pa.Table | None:
        """`line`, `reason` and `raw` of each; None if they were too many to keep."""


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

    def view(self, connection: DuckDBPyConnection) -> AbstractContextManager[RefusedRecords]:
        """Let `staged_rows` be a view over the file; yield what a query of it refuses."""


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
    connection, table = lake.cursor(), TABLES[file.table]
    if table is schemas.INTERACTIONS and file.path.stat().st_size >= LARGE_FILE:
        with suppress(MustBeStagedError), file.view(connection) as refused:
            append_viewed = partial(_append_viewed, refused=refused, data=lake.data)
            return _write(lake, connection, file, origin, append_viewed)
    file.stage(connection)
    return _write(lake, connection, file, origin, _append_staged)


def _write(
    lake: Lake,
    connection: DuckDBPyConnection,
    file: StageableFile,
    origin: _Origin,
    append_rows: Callable[[DuckDBPyConnection, Table, _Origin], FileCounts],
) -> FileCounts:
    """Append a file's rows and its ledger entry, both or neither."""
    table = TABLES[file.table]

    def append(connection: DuckDBPyConnection) -> FileCounts:
        counts = append_rows(connection, table, origin)
        _append_ledger(connection, table, origin, counts)
        return counts

    return lake.write(append, f"ingest {file.name}", connection=connection)


def _append_staged(connection: DuckDBPyConnection, table: Table, origin: _Origin) -> FileCounts:
    """Insert the staged rows that are new, and what was refused."""
    if table is schemas.TARGETS:
        accepted = _replace_targets(connection, origin)
    else:
        find_known(connection, table)
        accepted = _append_rows(connection, table, origin)
    staged = _count(connection, "staged_rows")
    rejected = _append_rejects(connection, origin, "staged_rejects")
    return FileCounts(
        rows_read=staged + rejected, accepted=accepted, duplicate=staged - accepted, rejected=rejected
    )


def _append_viewed(
    connection: DuckDBPyConnection, table: Table, origin: _Origin, *, refused: RefusedRecords, data: Path
) -> FileCounts:
    """Add the good rows of a file while it is read, then look again at those whose keys clash.

    Most rows of a log are new: they are written once, and the file is read once.
    """
    refused.clear()
    common = {name: str(value) for name, value in _values(origin).items()}
    with added_rows(connection, data, table, "staged_rows", common) as num_rows:
        rejects = refused.table()
        if rejects is None:
            raise MustBeStagedError(origin.file)
        accepted = _settle_clashes(connection, table, origin, num_rows)
        connection.register("refused_records", rejects)
        rejected = _append_rejects(connection, origin, "refused_records")
    return FileCounts(
        rows_read=num_rows + rejected, accepted=accepted, duplicate=num_rows - accepted, rejected=rejected
    )


def _settle_clashes(connection: DuckDBPyConnection, table: Table, origin: _Origin, num_rows: int) -> int:
    """Tell new rows of a file that was added from those known or corrected; return how many stay."""
    hashes = repeated_hashes(connection, table)
    if len(hashes) > num_rows * LARGEST_SHARE_CLASHING:
        raise MustBeStagedError(origin.file)
    _mark_stale(connection, f"SELECT user_id FROM {table.qualified_name} WHERE {_own(origin)}")
    if not len(hashes):
        return num_rows
    num_clashing = find_clashing(connection, table, _own(origin), hashes)
    return num_rows - num_clashing + _append_rows(connection, table, origin, is_added=True)


def _is_known(lake: Lake, table: str, origin: _Origin) -> bool:
    known = lake.query(
        "SELECT 1 FROM ingested_files WHERE source = ? AND table_name = ? AND sha256 = ? LIMIT 1",
        [origin.source, table, origin.sha256],
    )
    return known.num_rows > 0


def _count(connection: DuckDBPyConnection, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _append_rows(
    connection: DuckDBPyConnection, table: Table, origin: _Origin, *, is_added: bool = False
) -> int:
    """Insert new rows and let corrected ones take the place of known ones; return the number of both."""
    tell_corrections(connection, table)
    if table is schemas.ITEMS:
        users = "SELECT user_id FROM interactions SEMI JOIN fresh USING (item_id)"
        _mark_stale(connection, users, items="SELECT item_id FROM fresh")
    else:
        # A correction may give an event to another user: then the histories of both change.
        corrected = f"SELECT user_id FROM known_rows SEMI JOIN corrections USING ({', '.join(table.key)})"
        _mark_stale(connection, f"SELECT user_id FROM fresh UNION {corrected}")
    if is_added or _count(connection, "corrections"):
        supersede(connection, table, origin.ingested_at, is_added=is_added)
    return _insert(connection, table, origin, "fresh")


def _insert(connection: DuckDBPyConnection, table: Table, origin: _Origin, rows: str) -> int:
    given = {name: value for name, value in _values(origin).items() if name not in table.staged}
    inserted = connection.execute(
        f"INSERT INTO {table.qualified_name} ({', '.join([*table.staged, *given])}) "
        f"SELECT {', '.join([*table.staged, *['?'] * len(given)])} FROM {rows}",
        list(given.values()),
    )
    return int(inserted.fetchall()[0][0])


def _values(origin: _Origin) -> dict[str, str | datetime]:
    """Values that all rows of the file have."""
    return {"source": origin.source, "ingested_at": origin.ingested_at, "run_id": origin.run_id}


def _own(origin: _Origin) -> str:
    """SQL of the rows that this file brought."""
    return f"ingested_at = TIMESTAMPTZ {quote(origin.ingested_at.isoformat())}"


def _mark_stale(connection: DuckDBPyConnection, users: str, *, items: str = "SELECT NULL") -> None:
    """Take away the states of users whose history changes, with the rows that change it.

    Args:
        connection: inside the transaction of those rows.
        users: SQL of the users' ids.
        items: SQL of the ids of items that changed themselves.
    """
    having = "SELECT user_id FROM night.target_states UNION ALL SELECT user_id FROM night.profile_states"
    if not _count(connection, f"({having})"):
        return
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
    append_targets(
        connection, "fresh", origin.source, GIVEN_TARGETS, listed_at=origin.ingested_at, run_id=origin.run_id
    )
    return _count(connection, "fresh")


def _append_rejects(connection: DuckDBPyConnection, origin: _Origin, refused: str) -> int:
    inserted = connection.execute(
        "INSERT INTO rejected_rows (source, file, sha256, line, reason, raw, ingested_at, run_id) "
        f"SELECT ?, ?, ?, line, reason, raw, ?, ? FROM {refused}",
        [origin.source, origin.file, origin.sha256, origin.ingested_at, origin.run_id],
    )
    return int(inserted.fetchall()[0][0])


def _append_ledger(connection: DuckDBPyConnection, table: Table, origin: _Origin, counts: FileCounts) -> None:
    connection.execute(
        "INSERT INTO ingested_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            origin.source, origin.file, table.name, origin.sha256,
            counts.rows_read, counts.accepted, counts.duplicate, counts.rejected,
            origin.ingested_at, origin.run_id,
        ],
    )  # fmt: skip
