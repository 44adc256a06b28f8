"""What a format of files offers: the names of a file's columns, and its records as a relation.

The relation has one row per record: `line` (from 1; a header counts), `raw` (the record as it stood),
`defect` (why it cannot be read, else NULL) and one text per wanted column, NULL where it is empty.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb

from recsys_adapters.file_lines import read_lines


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


@dataclass(frozen=True)
class CleanRecords:
    """SQL that reads a flawless file fast, with typed columns, and fails or comes short on any other."""

    sql: str
    num_records: int
    """Records in the file: if fewer come out, the file has flaws and must be read record by record."""


class RecordFormat(Protocol):
    """A format of files."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Ends of file names that a folder is searched for."""

    def column_names(self, path: Path) -> tuple[str, ...]:
        """Names of the file's columns; none for an empty file."""

    def clean_records(self, path: Path, columns: Sequence[FileColumn]) -> CleanRecords | None:
        """The fast way, where the format has one and nothing speaks against it."""

    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> AbstractContextManager[str]:
        """SQL of the relation described above, to be run once inside the context."""


@contextmanager
def source_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, *, encoding: str = "utf-8"
) -> Iterator[str]:
    """Name of a relation of the file's lines (`LINES_SCHEMA`), to be read once inside the context."""
    connection.register("source_lines", read_lines(path, encoding=encoding))
    try:
        yield "source_lines"
    finally:
        connection.unregister("source_lines")
