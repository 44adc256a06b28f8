"""Comma or tab separated values and their like: one record is one line."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from recsys_adapters.errors import SourceFileError
from recsys_adapters.file_lines import is_gzip, open_bytes, survey_lines
from recsys_adapters.record_format import CleanRecords, FileColumn, source_lines
from recsys_adapters.sql_quoting import quoted_name, quoted_text


@dataclass(frozen=True, kw_only=True)
class DelimitedText:
    """Text files whose lines are records; a quoted value must end on the line where it began.

    Two ways to read agree on every good line: DuckDB's CSV reader for a file without a flaw, and a split
    of each line by itself for any other, since a CSV reader that meets a stray quote swallows the next lines.
    """

    delimiter: str = ","
    quoted: bool = True
    """Whether a value may stand in double quotes, a quote inside it doubled (RFC 4180)."""
    names: tuple[str, ...] = ()
    """Names of the columns where the file has no header line."""
    encoding: str = "utf-8"
    """`utf-8` or `latin-1`."""
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".csv.gz", ".tsv.gz")

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError(
                f"delimiter {self.delimiter!r} must be one character, and neither a quote nor a line end"
            )

    def column_names(self, path: Path) -> tuple[str, ...]:
        """Names of the file's columns; none for an empty file."""
        names = self.names or self._header(path)
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise SourceFileError(
                f"{path.name} names a column twice: {sorted(repeated)}. Rename one of them."
            )
        return names

    def clean_records(self, path: Path, columns: Sequence[FileColumn]) -> CleanRecords | None:
        """One pass of DuckDB's CSV reader, unless encoding, line ends or NUL bytes may mislead it."""
        names = self.column_names(path)
        if not names or self.encoding != "utf-8":
            return None
        survey = survey_lines(path)
        if not survey.is_regular:
            return None
        sql = f"""
            SELECT NULL::BIGINT AS line, NULL::VARCHAR AS raw, NULL::VARCHAR AS defect,
                {", ".join(_column_sql(column, names) for column in columns)}
            FROM {self._read_csv_sql(path, names, columns)}"""
        return CleanRecords(sql, survey.num_lines - self._num_header_lines)

    @contextmanager
    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> Iterator[str]:
        """Each line split by itself."""
        names = self.column_names(path)
        with source_lines(connection, path, encoding=self.encoding) as lines:
            yield f"""
                SELECT line, raw, coalesce(defect, {self._defect_sql(len(names))}) AS defect,
                    {", ".join(self._cell_sql(column, names) for column in columns)}
                FROM (SELECT *, {self._cells_sql} AS cells FROM {lines}
                    WHERE line > {self._num_header_lines})"""

    @property
    def _num_header_lines(self) -> int:
        return 0 if self.names else 1

    def _header(self, path: Path) -> tuple[str, ...]:
        with open_bytes(path) as stream:
            line = stream.readline().decode(self.encoding, "replace").removeprefix("\ufeff").rstrip("\r\n")
        if not self.quoted:
            return tuple(line.split(self.delimiter)) if line else ()
        return tuple(next(csv.reader([line], delimiter=self.delimiter), ()))

    def _read_csv_sql(self, path: Path, names: Sequence[str], columns: Sequence[FileColumn]) -> str:
        types = {column.name: column.sql_type for column in columns}
        struct = ", ".join(f"c{i}: '{types.get(name, 'VARCHAR')}'" for i, name in enumerate(names))
        quote = '"' if self.quoted else ""
        return f"""read_csv({quoted_text(str(path))}, auto_detect = false, header = {not self.names},
            delim = {quoted_text(self.delimiter)}, quote = '{quote}', escape = '{quote}',
            columns = {{{struct}}},
            compression = '{"gzip" if is_gzip(path) else "none"}')"""

    @cached_property
    def _cells_sql(self) -> str:
        """List of the line's values, quotes included; without the line's rest where a quote is misplaced."""
        delimiter = quoted_text(self.delimiter)
        plain = f"string_split(raw, {delimiter})"
        if not self.quoted:
            return plain
        d = re.escape(self.delimiter)
        value = rf' *"(?:[^"]|"")*" *| *[^" {d}][^{d}]*| *'
        # With a delimiter in front of each value no match is empty: an empty one would be skipped.
        split = f"regexp_extract_all({delimiter} || raw, {quoted_text(f'{d}({value})')}, 1)"
        return f"CASE WHEN contains(raw, '\"') THEN {split} ELSE {plain} END"

    def _defect_sql(self, num_columns: int) -> str:
        # Empty values after the last column are harmless; DuckDB's reader lets them pass, too.
        has_rest = f"replace(array_to_string(cells[{num_columns + 1}:], ''), '\"\"', '') <> ''"
        return f"""CASE WHEN raw = '' THEN 'line is empty'
            WHEN array_to_string(cells, {quoted_text(self.delimiter)}) <> raw THEN 'stray quote'
            WHEN len(cells) < {num_columns} OR {has_rest}
                THEN printf('line has %d columns, expected {num_columns}', len(cells)) END"""

    def _cell_sql(self, column: FileColumn, names: Sequence[str]) -> str:
        if column.name not in names:
            return f"NULL::VARCHAR AS {quoted_name(column.role)}"
        cell = f"cells[{names.index(column.name) + 1}]"
        if self.quoted:
            inner = f"replace(trim({cell})[2:-2], '\"\"', '\"')"
            cell = f"CASE WHEN starts_with(ltrim({cell}), '\"') THEN {inner} ELSE {cell} END"
        return f"nullif({cell}, '') AS {quoted_name(column.role)}"


def _column_sql(column: FileColumn, names: Sequence[str]) -> str:
    value = f"c{names.index(column.name)}" if column.name in names else f"NULL::{column.sql_type}"
    return f"{value} AS {quoted_name(column.role)}"
