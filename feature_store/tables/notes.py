"""What is to be known about the files of a run: faults, warnings, what was understood without being told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import NOTES

Severity = Literal["fault", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Note:
    """One thing to know."""

    severity: Severity
    source: str
    message: str
    file: str | None = None


def replace_notes(lake: Lake, run_id: str, notes: Sequence[Note]) -> None:
    """Let these stand for all notes of the run."""

    def write(connection: DuckDBPyConnection) -> None:
        connection.execute(f"DELETE FROM {NOTES.qualified_name} WHERE run_id = ?", [run_id])
        _insert(connection, run_id, notes)

    lake.write(write, f"notes of {run_id}")


def append_note(lake: Lake, run_id: str, note: Note) -> None:
    """Add a note to those of the run."""
    lake.write(lambda connection: _insert(connection, run_id, [note]), f"a note of {run_id}")


def _insert(connection: DuckDBPyConnection, run_id: str, notes: Sequence[Note]) -> None:
    begin, apart = datetime.now(UTC), timedelta(microseconds=1)
    rows = [
        vars(note) | {"run_id": run_id, "noted_at": begin + place * apart} for place, note in enumerate(notes)
    ]
    connection.register("new_notes", pa.Table.from_pylist(rows, schema=NOTES.arrow_schema))
    connection.execute(f"INSERT INTO {NOTES.qualified_name} FROM new_notes")


def read_notes(lake: Lake, run_id: str) -> list[Note]:
    """Return the run's notes, faults first."""
    rows = lake.query(
        f"SELECT severity, source, file, message FROM {NOTES.qualified_name} WHERE run_id = ? "
        "ORDER BY list_position(['fault', 'warning', 'note'], severity), noted_at",
        [run_id],
    )
    return [Note(**row) for row in rows.to_pylist()]


def count_faults(lake: Lake, run_id: str) -> int:
    """Count the run's faults."""
    faults = lake.query(
        f"SELECT count(*) AS n FROM {NOTES.qualified_name} WHERE run_id = ? AND severity = 'fault'", [run_id]
    )
    return int(faults["n"][0].as_py())
