"""The account of every file: what it is known by, what became of its records, where its rows came from."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from duckdb import DuckDBPyConnection

from feature_store.intake.file_names import FileOwner
from feature_store.lake.durable_files import checksum
from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import IN_THE_FUTURE, INGESTED_FILES, INTERACTIONS, REJECTED_ROWS, USERS, Table

LEDGER = INGESTED_FILES.qualified_name


class OfferedFile(Protocol):
    """A source file as an adapter offers it."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def member(self) -> str | None:
        """The path inside it, where it is an archive."""

    @property
    def name(self) -> str:
        """What its source calls it."""

    @property
    def source(self) -> str:
        """Adapter that reads it."""

    @property
    def table(self) -> str:
        """Table that its records belong to."""

    @property
    def reading(self) -> str:
        """Digest of how it is read."""

    @property
    def is_supplement(self) -> bool:
        """Whether its items are those of other sources, whose titles they have."""

    def records(self, connection: DuckDBPyConnection) -> str:
        """SQL of its records: `line`, `reason` (why it is refused, else NULL), `raw`, the staged columns."""

    def users(self, connection: DuckDBPyConnection) -> str | None:
        """SQL of the ids of the users that it names, as `user_id`; None if its records are nobody's."""


@dataclass(frozen=True, kw_only=True)
class FileCounts:
    """The ledger entry of one file."""

    file: str
    """Its name in the ledger."""
    rows_read: int
    accepted: int
    duplicate: int
    rejected: int
    reasons: tuple[tuple[str, int], ...] = ()
    """Why records were refused, with counts, the commonest reasons first."""
    warnings: tuple[str, ...] = ()
    """What looks wrong about its rows beside others."""

    @property
    def is_refused(self) -> bool:
        """Whether there were records, and all were refused."""
        return self.rejected > 0 and self.rejected == self.rows_read


@dataclass(frozen=True)
class Origin:
    """Values of the columns that say where a row came from."""

    source: str
    file: FileOwner
    sha256: str
    reading: str
    ingested_at: datetime
    run_id: str

    @property
    def common(self) -> dict[str, str]:
        """Values that all rows of the file have, as text."""
        return {"source": self.source, "ingested_at": self.ingested_at.isoformat(), "run_id": self.run_id}


@dataclass(frozen=True)
class Entry:
    """What tells the rows of an earlier reading of a file."""

    source: str
    sha256: str
    ingested_at: datetime


def content_digest(file: OfferedFile) -> str:
    """Checksum of what the file holds; of a file in an archive, of the archive and its place there."""
    digest = checksum(file.path)
    return hashlib.sha256(f"{digest}/{file.member}".encode()).hexdigest() if file.member else digest


AWAITED = f"""(
    EXISTS (FROM {REJECTED_ROWS.qualified_name} AS refused
            WHERE refused.source = $source AND refused.sha256 = $sha256
                AND refused.ingested_at = entry.ingested_at AND refused.reason = {quote(IN_THE_FUTURE)})
    AND now() >= entry.ingested_at + greatest(INTERVAL 1 DAY, entry.ingested_at - (
        SELECT min(ingested_at) FROM {LEDGER}
        WHERE source = $source AND sha256 = $sha256))
)"""
"""SQL: whether records of a log that a clock called future ones are to be looked at again.

A day later, then after twice as long each time: those of a broken log are in the future for ever.
"""


def is_known(lake: Lake, file: OfferedFile, sha256: str) -> bool:
    """Tell whether the content was taken in already, as it is read now.

    Of a log once is enough, unless records of it were in the future by then and may not be now (`AWAITED`).
    Of a catalogue the last delivery counts: content that was there before
    another one of the same name is taken in again.
    """
    last = (
        "SELECT file, reading, user_key, ingested_at "
        f"FROM {LEDGER} WHERE source = $source AND table_name = $table_name "
        "AND sha256 = $sha256 ORDER BY ingested_at DESC LIMIT 1"
    )
    still_counts = (
        f"NOT EXISTS (FROM {LEDGER} AS later WHERE later.source = $source "
        "AND later.table_name = $table_name AND later.file = entry.file "
        "AND later.ingested_at > entry.ingested_at) AND (entry.file = $file OR user_key IS NOT NULL)"
    )
    condition = (
        f"NOT {AWAITED}"
        if file.table == INTERACTIONS.name
        else still_counts.replace("$file", quote(file.name))
    )
    rows = lake.query(
        f"SELECT reading, {condition} AS counts FROM ({last}) AS entry",
        {"source": file.source, "table_name": file.table, "sha256": sha256},
    ).to_pylist()
    return bool(rows) and rows[0]["reading"] == file.reading and rows[0]["counts"]


def earlier_readings(
    lake: Lake, file: OfferedFile, sha256: str, offering: Collection[tuple[str, str]]
) -> list[Entry]:
    """The entries whose rows a new reading replaces: of the file, and of a source that is called otherwise.

    Args:
        lake: whose ledger it is.
        file: read anew.
        sha256: its content.
        offering: source and content of all files that are offered tonight: another source that offers the
            same content keeps its rows.
    """
    rows = lake.query(
        f"SELECT DISTINCT source, sha256, ingested_at FROM {LEDGER} "
        "WHERE table_name = ? AND sha256 = ? AND reading <> '' ORDER BY ingested_at",
        [file.table, sha256],
    ).to_pylist()
    return [
        Entry(**row)
        for row in rows
        if row["source"] == file.source or (row["source"], sha256) not in offering
    ]


def is_read_so(lake: Lake, file: OfferedFile, entry: Entry) -> bool:
    """Tell whether an entry is of this very file, read as it is now, and only not its last delivery."""
    found = lake.query(
        f"SELECT count(*) AS n FROM {LEDGER} "
        "WHERE source = ? AND sha256 = ? AND ingested_at = ? AND reading = ?",
        [entry.source, entry.sha256, entry.ingested_at, file.reading],
    )
    return entry.source == file.source and bool(found["n"][0].as_py())


def all_entries(lake: Lake, table: str, sources: Collection[str]) -> list[Entry]:
    """All entries of some sources whose rows count."""
    rows = lake.query(
        f"SELECT DISTINCT source, sha256, ingested_at FROM {LEDGER} "
        "WHERE table_name = ? AND list_contains(?, source) AND reading <> ''",
        [table, list(sources)],
    ).to_pylist()
    return [Entry(**row) for row in rows]


class UnknownFileError(RuntimeError):
    """The ledger has no such file."""


READ_AGAIN = "again"
"""A reading that no file has, so that whatever is offered is read in another way."""


def read_again(lake: Lake, names: Sequence[str]) -> None:
    """Let files that were taken in be read anew by the next intake, whose rows then replace theirs.

    Raises:
        UnknownFileError: if one was never taken in; nothing is changed then.
    """
    known = {row["file"] for row in lake.query(f"SELECT DISTINCT file FROM {LEDGER}").to_pylist()}
    if unknown := sorted(set(names) - known):
        near = get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see the column file of ingested_files"
        raise UnknownFileError(f"no file {unknown[0]} was taken in: {hint}")
    change = f"UPDATE {LEDGER} SET reading = '{READ_AGAIN}' WHERE list_contains(?, file) AND reading <> ''"
    lake.write(lambda connection: connection.execute(change, [list(names)]), "read files again")


def append_rejects(
    connection: DuckDBPyConnection, refused: str, origin: Origin
) -> tuple[tuple[str, int], ...]:
    """Keep the refused records of a file; return the reasons with their counts."""
    connection.execute(
        f"INSERT INTO {REJECTED_ROWS.qualified_name} "
        "(source, file, sha256, line, reason, raw, user_key, ingested_at, run_id) "
        "SELECT ?, ?, ?, line, reason, raw, coalesce(user_key, ?), ?, ? "
        f"FROM {refused} LEFT JOIN {USERS.qualified_name} USING (user_id)",
        [
            origin.source, origin.file.name, origin.sha256, origin.file.user_key, origin.ingested_at,
            origin.run_id,
        ],
    )  # fmt: skip
    reasons = connection.execute(
        f"SELECT reason, count(*) AS n FROM {refused} GROUP BY reason ORDER BY n DESC, reason"
    )
    return tuple(reasons.fetchall())


def append_entry(connection: DuckDBPyConnection, table: Table, origin: Origin, counts: FileCounts) -> None:
    """Write a file's entry."""
    connection.execute(
        f"INSERT INTO {LEDGER} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            origin.source, origin.file.name, table.name, origin.sha256, origin.reading,
            counts.rows_read, counts.accepted, counts.duplicate, counts.rejected,
            origin.file.user_key, origin.ingested_at, origin.run_id,
        ],
    )  # fmt: skip


def is_all_refused(lake: Lake, file: OfferedFile, sha256: str) -> bool:
    """Tell whether nothing of a known file was taken in."""
    rows = lake.query(
        f"SELECT rejected > 0 AND rejected = rows_read AS is_so FROM {LEDGER} "
        "WHERE source = ? AND table_name = ? AND sha256 = ? ORDER BY ingested_at DESC LIMIT 1",
        [file.source, file.table, sha256],
    )["is_so"].to_pylist()
    return rows == [True]


def now() -> datetime:
    """When a file is taken in."""
    return datetime.now(UTC)
