"""What a format of files offers: the names of a file's columns, and its records as a relation.

The relation has one row per record: `line` (from 1; a header counts), `raw` (the record as it stood, maybe
with its line end), `defect` (why it cannot be read, else NULL), `is_plain` (whether its values are known to
mean what they say: no NUL character, no blank at an end, no word for nothing, no id that is a float) and one
text per wanted column, NULL where it is empty.

The name of a column that the file itself does not have may be a path: `user.id` is the `id` inside `user`.
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
    is_id: bool = False
    """Whether it names something that other files name, too: `11.0` is the same id as `11`."""
    constant: str | None = None
    """Its value in all records, where the file's path tells it."""


@dataclass(frozen=True)
class Layout:
    """What stands in a file, as far as its first lines tell."""

    names: tuple[str, ...]
    """Names of the columns; none for an empty file."""
    times: frozenset[str] = frozenset()
    """Those columns that hold times as the format itself knows them, without a way of writing."""
    notes: tuple[str, ...] = ()
    """What was understood without being told."""


class RecordFormat(Protocol):
    """A format of files."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Ends of file names, in lower case and without those of packers, that a folder is searched for."""

    def layout(self, path: Path, wanted: Sequence[str] = ()) -> Layout:
        """What the file has.

        Args:
            path: the file.
            wanted: names of columns that are looked for, which may help to find the header.
        """

    def has_column(self, path: Path, name: str) -> bool:
        """Tell whether the file has a column, or a path into one."""

    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> str:
        """SQL of the relation described above; it reads the file whenever it is run.

        What it reads from is registered with the connection, in the place of what the file before needed.
        """


def inner_paths(name: str) -> list[tuple[str, str]]:
    """The ways to read a name as a column and a path inside it, the longest column first."""
    parts = name.split(".")
    return [(".".join(parts[:n]), ".".join(parts[n:])) for n in range(len(parts) - 1, 0, -1)]
