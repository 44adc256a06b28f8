"""Comma or tab separated values and their like: one record is one line."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_blocks import DelimitedBlocks
from recsys_adapters.formats.file_lines import open_bytes
from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text


@dataclass(frozen=True, kw_only=True)
class DelimitedText:
    """Text files whose lines are records; a quoted value must end on the line where it began.

    A CSV reader that meets a stray quote swallows the next lines: it splits only lines that cannot mislead it
    (see `delimited_blocks`), and SQL splits every other line by itself, alike.
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

    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> str:
        """Values of blocks without a flaw split at once, each other line by itself."""
        names = self.column_names(path)
        blocks = DelimitedBlocks(
            path=path,
            delimiter=self.delimiter,
            quoted=self.quoted,
            encoding=self.encoding,
            num_header_lines=self._num_header_lines,
            num_columns=len(names),
            wanted=tuple(sorted({names.index(c.name) for c in columns if c.name in names})),
        )
        connection.register("source_lines", blocks)
        return f"""
            SELECT line, raw, CASE WHEN NOT is_split THEN coalesce(defect, {self._defect_sql(len(names))})
                END AS defect, is_split AS is_plain,
                {", ".join(self._value_sql(column, names) for column in columns)}
            FROM (SELECT *, CASE WHEN NOT is_split THEN {self._cells_sql} END AS cells FROM source_lines)"""

    @property
    def _num_header_lines(self) -> int:
        return 0 if self.names else 1

    def _header(self, path: Path) -> tuple[str, ...]:
        with open_bytes(path) as stream:
            line = stream.readline().decode(self.encoding, "replace").removeprefix("\ufeff").rstrip("\r\n")
        if not self.quoted:
            return tuple(line.split(self.delimiter)) if line else ()
        return tuple(next(csv.reader([line], delimiter=self.delimiter), ()))

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

    def _value_sql(self, column: FileColumn, names: Sequence[str]) -> str:
        if column.name not in names:
            return f"NULL::VARCHAR AS {quoted_name(column.role)}"
        index = names.index(column.name)
        value = f"CASE WHEN is_split THEN c{index} ELSE nullif({self._cell_sql(index)}, '') END"
        return f"{value} AS {quoted_name(column.role)}"

    def _cell_sql(self, index: int) -> str:
        cell = f"cells[{index + 1}]"
        if not self.quoted:
            return cell
        inner = f"replace(trim({cell})[2:-2], '\"\"', '\"')"
        return f"CASE WHEN starts_with(ltrim({cell}), '\"') THEN {inner} ELSE {cell} END"
