"""Comma or tab separated values and their like: one record is one line."""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_blocks import DelimitedBlocks
from recsys_adapters.formats.file_lines import Rewrite, keep_lines, read_first_lines
from recsys_adapters.formats.line_rewrites import (
    NO_RECORD,
    UNIT_SEPARATOR,
    in_turn,
    repeat_section,
    replace_delimiter,
)
from recsys_adapters.formats.record_format import SOURCE_RECORDS, FileColumn, FileRecords, Layout
from recsys_adapters.records.plain_values import NULL_WORDS
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

_NUM_HEAD_LINES = 50
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)
"""What Excel writes and reads in front of a header."""


@dataclass(frozen=True)
class _Header:
    names: tuple[str, ...]
    num_lines: int
    """Lines up to and with the header."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DelimitedText:
    """Text files whose lines are records; a quoted value must end on the line where it began.

    A CSV reader that meets a stray quote swallows the next lines: it splits only lines that cannot mislead it
    (see `delimited_blocks`), and SQL splits every other line by itself, alike.

    Raises:
        ValueError: for a delimiter, quote, escape or comment that cannot be one.
    """

    delimiter: str = ","
    """One character or more."""
    quote: str = '"'
    """What a value may stand in, doubled inside it (RFC 4180); none: quotes are characters like others."""
    escape: str = ""
    """What makes the next character an ordinary one, if anything does."""
    comment: str = ""
    """A line that begins with this is no record."""
    skip: int = 0
    """Lines before the header, or before the first record where there is no header."""
    header: bool = True
    """Whether a line names the columns."""
    names: tuple[str, ...] = ()
    """Names of the columns, in the place of the header's; without either they are `1`, `2`, ..."""
    section: str = ""
    """Regular expression of lines that begin a section; what its group says is its lines' first value."""
    rest_in_last: bool = False
    """Whether delimiters beyond the last column belong to its value."""
    null_words: tuple[str, ...] = NULL_WORDS
    """What stands for nothing. Whole lines keep it, as other formats do."""
    encoding: str = "utf-8"
    suffixes: tuple[str, ...] = (".csv", ".tsv")

    def __post_init__(self) -> None:
        if not self.delimiter or any(mark in self.delimiter for mark in (self.quote or "\n", "\r", "\n")):
            raise ValueError(
                f"delimiter {self.delimiter!r} must be one character or more, no quote and no line end"
            )
        for name, mark in (("quote", self.quote), ("escape", self.escape)):
            if len(mark) > 1 or mark in ("\r", "\n"):
                raise ValueError(f"{name} {mark!r} must be one character, or none")
        try:
            re.compile(self.section.encode())
        except re.error as error:
            raise ValueError(f"section {self.section!r} is no regular expression: {error}") from error

    def layout(self, path: Path, wanted: Sequence[str] = ()) -> Layout:
        """The names of the header, or those that the settings give."""
        told, lines = self._look_at(path)
        header = told._find_header(path, lines, wanted)
        repeated = sorted({name for name in header.names if header.names.count(name) > 1} & {*wanted})
        if repeated:
            raise SourceFileError(f"{path.name} names a column twice: {repeated}. Rename one of them.")
        return Layout(header.names, notes=header.notes)

    def has_column(self, path: Path, name: str) -> bool:
        """Tell whether the header has the name."""
        return name in self.layout(path, (name,)).names

    def records(self, path: Path, columns: Sequence[FileColumn]) -> FileRecords:
        """Values of blocks without a flaw split at once, each other line by itself."""
        told, lines = self._look_at(path)
        wanted = [column.name for column in columns if column.required]
        return told._records(path, told._find_header(path, lines, wanted), columns)

    def _records(self, path: Path, header: _Header, columns: Sequence[FileColumn]) -> FileRecords:
        names = header.names
        blocks = DelimitedBlocks(
            path=path,
            delimiter=self._parting,
            quote=self.quote,
            null_words=self.null_words,
            ids=tuple(names.index(c.name) for c in columns if c.is_id and c.name in names),
            special=self.escape + self.comment[:1] + (NO_RECORD if self.section else ""),
            encoding=self.encoding,
            rewrite=self._rewrite,
            num_header_lines=header.num_lines,
            num_columns=len(names),
            wanted=tuple(sorted({names.index(c.name) for c in columns if c.name in names})),
        )
        sql = f"""
            SELECT place, line, {self._raw_sql} AS raw, CASE WHEN NOT is_split
                    THEN coalesce(defect, {self._defect_sql(len(names))}) END AS defect, is_plain,
                {", ".join(self._value_sql(column, names) for column in columns)}
            FROM (SELECT *, CASE WHEN NOT is_split THEN {self._row_sql(len(names))} END AS cells
                FROM {SOURCE_RECORDS}{self._no_records_sql})"""
        return FileRecords(blocks, sql)

    def _look_at(self, path: Path) -> tuple["DelimitedText", list[str]]:
        """How to read a file, whose first line may say it as Excel does, and its first lines."""
        lines = self._first_lines(path)
        if not self.header or self.names or self.skip:
            return self, lines
        first = lines if self._rewrite is keep_lines else read_first_lines(path, 1, encoding=self.encoding)
        told = _SEPARATOR_LINE.fullmatch(first[0].strip('"')) if first else None
        if not told:
            return self, lines
        other = replace(self, delimiter=told[1], skip=1)
        return other, other._first_lines(path)

    def _first_lines(self, path: Path) -> list[str]:
        count = self.skip + _NUM_HEAD_LINES
        return read_first_lines(path, count, encoding=self.encoding, rewrite=self._rewrite)

    def _find_header(self, path: Path, lines: Sequence[str], wanted: Sequence[str]) -> _Header:
        rows = (
            (number, self._split(line))
            for number, line in enumerate(lines, 1)
            if number > self.skip and line.strip() and not self._is_no_record(line)
        )
        first = next(rows, None)
        if not self.header:
            numbers = tuple(str(n) for n in range(1, len(first[1]) + 1)) if first else ()
            return _Header(self.names or numbers, self.skip)
        if not first:
            self._check_is_empty(path, lines)
            return _Header((), self.skip)
        number, names = first
        notes: tuple[str, ...] = ()
        if wanted and not self.names and not set(wanted) <= set(names):
            found = next((row for row in rows if set(wanted) <= set(row[1])), None)
            if found:
                number, names = found
                notes = (
                    f"{path.name}: line {number} is taken for the header; those before it are no records",
                )
        return _Header(self.names or names, number, notes)

    def _check_is_empty(self, path: Path, lines: Sequence[str]) -> None:
        """See that no header can follow the first lines, none of which is one."""
        blank = [line for line in lines[self.skip :] if line and not self._is_no_record(line)]
        if blank or len(lines) == self.skip + _NUM_HEAD_LINES:
            raise SourceFileError(
                f"{path.name} has no header: its first {len(lines) - self.skip} lines are blank or comments. "
                "If one follows, skip those before it."
            )

    def _split(self, line: str) -> tuple[str, ...]:
        names = line.split(self._parting)
        if self.quote and self.quote in line:
            reader = csv.reader(
                [line.replace("\0", "").replace("\r", "")],
                delimiter=self._parting,
                quotechar=self.quote,
                escapechar=self.escape or None,
                skipinitialspace=True,
            )
            with suppress(csv.Error):
                names = next(reader, [])
        return tuple(name.strip() for name in names)

    def _is_no_record(self, line: str) -> bool:
        return line.startswith(NO_RECORD) or bool(self.comment) and line.startswith(self.comment)

    @property
    def _parting(self) -> str:
        """The character that parts the values once the lines are rewritten."""
        return self.delimiter if len(self.delimiter) == 1 else UNIT_SEPARATOR

    @cached_property
    def _rewrite(self) -> Rewrite:
        steps = []
        if len(self.delimiter) > 1:
            steps.append(replace_delimiter(self.delimiter))
        if self.section:
            steps.append(repeat_section(self.section, self._parting))
        return in_turn(*steps) if steps else keep_lines

    @property
    def _raw_sql(self) -> str:
        return self._with_delimiters("raw")

    def _with_delimiters(self, text: str) -> str:
        """SQL of a text with the delimiters that stand in it, as inside of quotes, as they were."""
        if len(self.delimiter) == 1:
            return text
        return f"replace({text}, {quoted_text(UNIT_SEPARATOR)}, {quoted_text(self.delimiter)})"

    @property
    def _no_records_sql(self) -> str:
        starts = [*([self.comment] if self.comment else []), *([NO_RECORD] if self.section else [])]
        if not starts:
            return ""
        return (
            " WHERE is_split OR NOT ("
            + " OR ".join(f"starts_with(raw, {quoted_text(s)})" for s in starts)
            + ")"
        )

    def _row_sql(self, num_columns: int) -> str:
        """List of the line's values, at most so many where the rest belongs to the last."""
        if not self.rest_in_last:
            return self._cells_sql
        parting = quoted_text(self._parting)
        rest = f"array_to_string(all_cells[{num_columns}:], {parting})"
        return (
            f"list_transform([{self._cells_sql}], lambda all_cells: CASE WHEN len(all_cells) > {num_columns} "
            f"THEN list_append(all_cells[:{num_columns - 1}], {rest}) ELSE all_cells END)[1]"
        )

    @cached_property
    def _cells_sql(self) -> str:
        """List of the line's values, quotes included; without the line's rest where a quote is misplaced."""
        plain = f"string_split(raw, {quoted_text(self._parting)})"
        marks = [mark for mark in (self.quote, self.escape) if mark]
        if not marks:
            return plain
        d, q, e = (re.escape(mark) for mark in (self._parting, self.quote, self.escape))
        blank = "" if self._parting in (" ", "\t") else " *"
        pair = f"|{e}." if e else ""
        quoted = f"{blank}{q}(?:[^{q}{e}]|{q}{q}{pair})*{q}{blank}|" if q else ""
        first = f"(?:[^{q}{d}{e}{' ' if blank else ''}]{pair})"
        value = f"{quoted}{blank}{first}(?:[^{d}{e}]{pair})*|{blank}"
        # With a delimiter in front of each value no match is empty: an empty one would be skipped.
        split = f"regexp_extract_all({quoted_text(self._parting)} || raw, {quoted_text(f'{d}({value})')}, 1)"
        has_marks = " OR ".join(f"contains(raw, {quoted_text(mark)})" for mark in marks)
        return f"CASE WHEN {has_marks} THEN {split} ELSE {plain} END"

    def _defect_sql(self, num_columns: int) -> str:
        # Empty values after the last column are harmless; DuckDB's reader lets them pass, too.
        rest = f"array_to_string(cells[{num_columns + 1}:], '')"
        has_rest = (
            f"replace({rest}, {quoted_text(self.quote * 2)}, '') <> ''" if self.quote else f"{rest} <> ''"
        )
        return f"""CASE WHEN raw = '' THEN 'line is empty'
            WHEN array_to_string(cells, {quoted_text(self._parting)}) <> raw THEN 'stray quote'
            WHEN len(cells) < {num_columns} OR {has_rest}
                THEN printf('line has %d columns, expected {num_columns}', len(cells)) END"""

    def _value_sql(self, column: FileColumn, names: Sequence[str]) -> str:
        if column.name not in names:
            return f"NULL::VARCHAR AS {quoted_name(column.role)}"
        index = names.index(column.name)
        value = f"CASE WHEN is_split THEN c{index} ELSE nullif({self._cell_sql(index)}, '') END"
        return f"{self._with_delimiters(value)} AS {quoted_name(column.role)}"

    def _cell_sql(self, index: int) -> str:
        cell = f"cells[{index + 1}]"
        if self.quote:
            quote = quoted_text(self.quote)
            inner = f"replace(trim({cell})[2:-2], {quoted_text(self.quote * 2)}, {quote})"
            cell = f"CASE WHEN starts_with(ltrim({cell}), {quote}) THEN {inner} ELSE {cell} END"
        if self.escape:
            pattern = quoted_text(re.escape(self.escape) + "(.)")
            cell = f"regexp_replace({cell}, {pattern}, '\\1', 'g')"
        return cell
