"""What a format of files offers: the names of a file's columns, and its records as a relation.

The relation has one row per record: `line` (from 1; a header counts), `raw` (the record as it stood, maybe
with its line end), `defect` (why it cannot be read, else NULL), `is_plain` (whether its values are known to
have no NUL character) and one text per wanted column, NULL where it is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb


@dataclass(frozen=True)
class FileColumn:
    """A column to read from a file."""

    role: str
    """What the adapter calls it."""
    name: str
    """What the file calls it."""
    sql_type: str = "VARCHAR"
    required: bool = True
    """Whether a file without it is an error; otherwise its values are NULL."""


class RecordFormat(Protocol):
    """A format of files."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Ends of file names that a folder is searched for."""

    def column_names(self, path: Path) -> tuple[str, ...]:
        """Names of the file's columns; none for an empty file."""

    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> str:
        """SQL of the relation described above; it reads the file whenever it is run.

        What it reads from is registered with the connection, in the place of what the file before needed.
        """
