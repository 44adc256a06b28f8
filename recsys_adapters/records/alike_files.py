"""Files that one query reads: small ones cost next to nothing when many are read together.

Files are alike if the query of one would read another, but for what their paths tell. Each stays itself: a
record knows the place of its file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb

from recsys_adapters.formats.record_format import SOURCE_RECORDS, FileColumn, FileRecords, JoinedStreams
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

if TYPE_CHECKING:
    from recsys_adapters.records.source_file import SourceFile

_PLAIN_ID = re.compile("[-:_0-9A-Za-z]*")
"""No float, list, or blank that nobody sees."""


@dataclass(frozen=True)
class AlikeFiles:
    """Files that were looked at and found to be readable, in the order in which they are read."""

    files: tuple["SourceFile", ...]
    found: tuple[FileRecords, ...]
    """Of each file, its records."""
    named: tuple[FileRecords, ...]
    """Of each file, the users whom its records name; none if they name none."""

    @property
    def likeness(self) -> object:
        """What is equal for files that may be read together."""
        read = [self.found[0], *self.named[:1]]
        return self.files[0].mapping, [(records.sql, records.stream.schema) for records in read]

    def with_others(self, others: Sequence["AlikeFiles"]) -> "AlikeFiles":
        """These files and, after them, others of the same likeness."""
        every = (self, *others)
        return AlikeFiles(
            files=tuple(file for some in every for file in some.files),
            found=tuple(records for some in every for records in some.found),
            named=tuple(records for some in every for records in some.named),
        )

    def records(self, connection: duckdb.DuckDBPyConnection) -> str:
        """SQL of all records, which reads the files whenever it is run.

        It has `place` (of the file, from 0), `line` (BIGINT, from 1), `reason` (why the record is refused,
        else NULL), `raw` (of a refused one) and the table's staged columns in their types. What it reads from
        is registered with the connection, in the place of what was read before.
        `SET TimeZone = 'UTC'` belongs before this.
        """
        first = self.files[0]
        return first.records_sql(connection, self._read(connection, self.found, first.columns))

    def users(self, connection: duckdb.DuckDBPyConnection) -> str | None:
        """SQL of the ids of the users that the records name, as `place`, `user_id`; None if they name none.

        Only that column is read. Registers like `records`, in whose place it comes.
        """
        if not self.named:
            return None
        first = self.files[0]
        return first.users_sql(self._read(connection, self.named, first.user_columns))

    def _read(
        self,
        connection: duckdb.DuckDBPyConnection,
        records: Sequence[FileRecords],
        columns: Sequence[FileColumn],
    ) -> str:
        """SQL of the records with each column as the text that it is in its file, or in the file's path."""
        connection.register(SOURCE_RECORDS, JoinedStreams(tuple(each.stream for each in records)))
        told = [column for column in columns if column.constant is not None]
        if not told:
            return records[0].sql
        others = "*" if all(map(self._is_plain, told)) else "* REPLACE (false AS is_plain)"
        return f"SELECT {others}, {', '.join(map(self._told_sql, told))} FROM ({records[0].sql})"

    def _is_plain(self, column: FileColumn) -> bool:
        """Whether what the paths tell means what it says, as the values of plain records do."""
        values = {_constant(file, column.role) for file in self.files}
        return all(
            value == value.strip()
            and value not in self.files[0].null_words
            and "\0" not in value
            and (not column.is_id or bool(_PLAIN_ID.fullmatch(value)))
            for value in values
        )

    def _told_sql(self, column: FileColumn) -> str:
        values = [_constant(file, column.role) for file in self.files]
        if len(set(values)) == 1:
            return f"{quoted_text(values[0])} AS {quoted_name(column.role)}"
        return f"[{', '.join(map(quoted_text, values))}][place + 1] AS {quoted_name(column.role)}"


def without_constant(column: FileColumn) -> FileColumn:
    """A column as it is for all files that have a value of it in their paths."""
    return column if column.constant is None else replace(column, constant="")


def _constant(file: "SourceFile", role: str) -> str:
    return next(column.constant or "" for column in file.columns if column.role == role)
