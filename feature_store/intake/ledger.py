"""The account of every file: what it is known by, what became of its records, where its rows came from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.intake.file_names import FileOwner
from feature_store.lake.lake import Lake
from feature_store.lake.sql import arrow_rows
from feature_store.schemas import INGESTED_FILES, REJECTED_ROWS, USERS, Table

LEDGER = INGESTED_FILES.qualified_name
ONE_FILE_AFTER_ANOTHER = timedelta(microseconds=1)
"""Between the times of files that are taken in together: the time tells the rows of a file from others."""

Reasons = tuple[tuple[str, int], ...]
"""Why records were refused, with counts, the commonest reasons first."""


@dataclass(frozen=True, kw_only=True)
class FileCounts:
    """The ledger entry of one file."""

    file: str
    """Its name in the ledger."""
    rows_read: int
    accepted: int
    duplicate: int
    rejected: int
    reasons: Reasons = ()
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
    size_bytes: int | None
    """None of one in an archive."""
    ingested_at: datetime
    run_id: str

    @property
    def common(self) -> dict[str, str]:
        """Values that all rows of the file have, as text."""
        return {"source": self.source, "ingested_at": self.ingested_at.isoformat(), "run_id": self.run_id}


def append_rejects(
    connection: DuckDBPyConnection, refused: str, origins: Sequence[Origin]
) -> Mapping[int, Reasons]:
    """Keep the refused records of files; return the reasons by the places of their files.

    Args:
        connection: inside a transaction.
        refused: relation of `place`, `line`, `reason`, `raw`, `user_id`.
        origins: of the files, by place.
    """
    found = connection.execute(
        f"SELECT place, reason, count(*) AS n FROM {refused} GROUP BY ALL ORDER BY n DESC, reason"
    ).fetchall()
    if not found:
        return {}
    connection.register("file_origins", _places_of(origins))
    connection.execute(
        f"INSERT INTO {REJECTED_ROWS.qualified_name} "
        "(source, file, sha256, line, reason, raw, user_key, ingested_at, run_id) "
        "SELECT origin.source, origin.file, origin.sha256, line, reason, raw, "
        "coalesce(person.user_key, origin.user_key), origin.ingested_at, origin.run_id "
        f"FROM {refused} JOIN file_origins AS origin USING (place) "
        f"LEFT JOIN {USERS.qualified_name} AS person USING (user_id)"
    )
    reasons: defaultdict[int, Reasons] = defaultdict(tuple)
    for place, reason, number in found:
        reasons[place] += ((reason, number),)
    return reasons


def _places_of(origins: Sequence[Origin]) -> pa.Table:
    rows = [
        (place, one.source, one.file.name, one.sha256, one.file.user_key, one.ingested_at, one.run_id)
        for place, one in enumerate(origins)
    ]
    names = ("source", "file", "sha256", "user_key", "ingested_at", "run_id")
    schema = pa.schema([("place", pa.int32()), *(REJECTED_ROWS.arrow_schema.field(name) for name in names)])
    return arrow_rows(schema, rows)


def append_entries(
    connection: DuckDBPyConnection, table: Table, entries: Sequence[tuple[Origin, FileCounts]]
) -> None:
    """Write the entries of files."""
    rows = [
        {
            "source": origin.source, "file": origin.file.name, "table_name": table.name,
            "sha256": origin.sha256, "reading": origin.reading, "size_bytes": origin.size_bytes,
            "rows_read": counts.rows_read,
            "accepted": counts.accepted, "duplicate": counts.duplicate, "rejected": counts.rejected,
            "user_key": origin.file.user_key, "ingested_at": origin.ingested_at, "run_id": origin.run_id,
        }
        for origin, counts in entries
    ]  # fmt: skip
    connection.register("file_entries", pa.Table.from_pylist(rows, schema=INGESTED_FILES.arrow_schema))
    connection.execute(f"INSERT INTO {LEDGER} FROM file_entries")


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


def now() -> datetime:
    """When a file is taken in."""
    return datetime.now(UTC)
