"""What a format of files offers: the names of a file's columns, and its records as a relation.

The relation has one row per record: `place` (of its file among those that are read together, from 0), `line`
(from 1; a header counts), `raw` (the record as it stood, maybe with its line end), `defect` (why it cannot be
read, else NULL), `is_plain` (whether its values are known to mean what they say: no NUL character, no blank
at an end, no word for nothing, no `="007"` of a spreadsheet, no id that is a float, no number that may be
rounded) and one text per wanted column, NULL where it is empty.

The name of a column that the file itself does not have may be a path: `user.id` is the `id` inside `user`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from recsys_adapters.errors import SourceFileError

SOURCE_RECORDS = "source_records"
"""The relation that SQL of a format reads from: what `JoinedStreams` streams."""


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
    lists: tuple[str, ...] = ()
    """Those columns that hold a list of records in the first record."""


class RecordStream(Protocol):
    """What is read from a file, anew whenever it is asked for."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the batches."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's records, split as far as the format splits them by itself."""

    def up_to(self, num_bytes: int) -> "RecordStream":
        """What of it is in the first bytes of the file, where files of the format may grow."""


@dataclass(frozen=True)
class FileRecords:
    """A file as a stream, and what is to be made of it."""

    stream: RecordStream
    sql: str
    """SQL of the relation described above, over `SOURCE_RECORDS`."""


@dataclass(frozen=True)
class JoinedStreams:
    """Streams of one schema, one after another, with the `place` of each (from 0) beside its rows."""

    streams: tuple[RecordStream, ...]
    faults: list[SourceFileError] = field(default_factory=list)
    """What stopped a stream: the engine that reads it has words of its own for that."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        schema = self.streams[0].schema.append(pa.field("place", pa.int32()))
        reader = pa.RecordBatchReader.from_batches(schema, self._batches(schema))
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for place, stream in enumerate(self.streams):
                for batch in stream.batches():
                    places = pa.repeat(pa.scalar(place, pa.int32()), len(batch))
                    yield pa.record_batch([*batch.columns, places], schema=schema)
        except SourceFileError as fault:
            self.faults.append(fault)
            raise


def peek(stream: RecordStream, sql: str) -> list[tuple[Any, ...]]:
    """Ask one file's stream, which the SQL knows as `SOURCE_RECORDS`, before the file is read.

    Raises:
        SourceFileError: if the file is damaged, or no text.
    """
    connection, asked = _database().cursor(), JoinedStreams((stream,))
    connection.register(SOURCE_RECORDS, asked)
    try:
        return connection.execute(sql).fetchall()
    except duckdb.Error:
        if asked.faults:
            raise asked.faults[0] from None
        raise


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """One for all files: to open a database costs more than to look at a small file."""
    return duckdb.connect(config={"threads": 1})


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

    def records(self, path: Path, columns: Sequence[FileColumn]) -> FileRecords:
        """The file's records, with one text for each of the columns."""


def inner_paths(name: str) -> list[tuple[str, str]]:
    """The ways to read a name as a column and a path inside it, the longest column first."""
    parts = name.split(".")
    return [(".".join(parts[:n]), ".".join(parts[n:])) for n in range(len(parts) - 1, 0, -1)]
