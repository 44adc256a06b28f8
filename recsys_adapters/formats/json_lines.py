"""JSON: one object a line, an array of objects, or objects of several lines; and Python's literals."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.file_lines import Lines, Rewrite, keep_lines, read_blocks, read_text_head
from recsys_adapters.formats.line_rewrites import one_value_a_line, read_literals
from recsys_adapters.formats.record_format import (
    SOURCE_RECORDS,
    FileColumn,
    FileRecords,
    Layout,
    inner_paths,
    peek,
)
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

_LITERAL = re.compile(r"\s*\{\s*u?'")
_OBJECTS_IN_A_LINE = re.compile(r"\}\s*\{")


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """Files of JSON objects; the name of a column is a key of the object, or a path (`user.id`) into it.

    A text is taken as it is, any other value as JSON writes it; null and a missing key are both NULL.
    Keys are looked up in every object by itself: nothing is guessed from the first ones.
    """

    literals: bool = False
    """Whether each line is a dictionary as Python writes it."""
    encoding: str = "utf-8"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson", ".json")

    def layout(self, path: Path, wanted: Sequence[str] = ()) -> Layout:
        """Keys of all objects, in the order in which they are first met."""
        head = read_text_head(path, encoding=self.encoding)
        if not self.literals and _LITERAL.match(head):
            raise SourceFileError(f'{path.name} is not JSON but Python: set format = "python".')
        pointer = "'/' || replace(replace(key, '~', '~0'), '/', '~1')"
        # A CASE, so that only one record is parsed once more for each of its keys.
        is_list = f"CASE WHEN first IS NOT NULL THEN json_type(first, {pointer} || '/0') = 'OBJECT' END"
        first = "CASE WHEN line = 1 THEN raw END AS first"
        found = peek(
            self._lines(path),
            f"SELECT key, bool_or({is_list}) "
            f"FROM (SELECT line, {first}, unnest(json_keys(raw)) AS key FROM {SOURCE_RECORDS} "
            "WHERE json_valid(raw) AND json_type(raw) = 'OBJECT') GROUP BY key ORDER BY min(line)",
        )
        return Layout(tuple(key for key, _ in found), lists=tuple(key for key, is_list in found if is_list))

    def has_column(self, path: Path, name: str) -> bool:
        """Tell whether any object has the key, or what the path leads to."""
        keys = {name, name.split(".")[0], *(outer for outer, _ in inner_paths(name))}
        marks = [f'"{key}"'.encode() for key in keys]
        blocks = read_blocks(path, encoding=self.encoding, rewrite=self._rewrite(path))
        # To look for the letters is fast; that they are the key of an object inside of another is rare.
        if not any(mark in block.text for block in blocks for mark in marks):
            return False
        is_there = " OR ".join(
            f"json_exists(raw, {quoted_text(pointer)})"
            for pointer in (_pointer(name), *_inner_pointers(name))
        )
        found = peek(
            self._lines(path),
            f"SELECT 1 FROM {SOURCE_RECORDS} WHERE CASE WHEN json_valid(raw) THEN {is_there} END LIMIT 1",
        )
        return bool(found)

    def records(self, path: Path, columns: Sequence[FileColumn]) -> FileRecords:
        """Each object parsed by itself."""
        pointers = [_pointer(column.name) for column in columns]
        pointers += [pointer for column in columns for pointer in _inner_pointers(column.name)]
        places = {pointer: place for place, pointer in reversed(list(enumerate(pointers, 1)))}
        keys = ", ".join(map(quoted_text, pointers))
        values = ", ".join(
            f"{_value_sql(column, places)} AS {quoted_name(column.role)}" for column in columns
        )
        sql = f"""
            SELECT place, line, raw, defect, false AS is_plain, {values}
            FROM (SELECT *, CASE WHEN defect IS NULL THEN json_extract_string(raw, [{keys}]) END AS cells
                FROM (SELECT place, line, raw, coalesce(defect, CASE
                        WHEN trim(raw) = '' THEN 'line is empty'
                        WHEN NOT json_valid(raw) THEN 'line is not JSON'
                        WHEN json_type(raw) <> 'OBJECT' THEN 'line is not a JSON object' END) AS defect
                    FROM {SOURCE_RECORDS}))"""
        return FileRecords(self._lines(path), sql)

    def _lines(self, path: Path) -> Lines:
        return Lines(path, encoding=self.encoding, rewrite=self._rewrite(path))

    def _rewrite(self, path: Path) -> Rewrite:
        if self.literals:
            return read_literals
        head = read_text_head(path, encoding=self.encoding).lstrip()
        is_split = head[:1] == "[" and head[1:].lstrip()[:1] in ("{", "]", "")
        lines = [text.strip() for text in (head + "\n").split("\n", 2)]
        is_split = is_split or (lines[0] == "{" and lines[1][:1] == '"') or _has_several(lines[0])
        return one_value_a_line if is_split else keep_lines


def _has_several(line: str) -> bool:
    """Whether a line is an object and another after it, as streams are stored that put nothing between."""
    if not line.startswith("{") or not _OBJECTS_IN_A_LINE.search(line):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return line[end:].lstrip().startswith("{")


def _value_sql(column: FileColumn, places: dict[str, int]) -> str:
    pointers = [_pointer(column.name), *_inner_pointers(column.name)]
    cells = [f"nullif(cells[{places[pointer]}], '')" for pointer in pointers]
    return cells[0] if len(cells) == 1 else f"coalesce({', '.join(cells)})"


def _inner_pointers(name: str) -> list[str]:
    return [f"/{'/'.join(map(_escaped, [outer, *inner.split('.')]))}" for outer, inner in inner_paths(name)]


def _pointer(key: str) -> str:
    """JSON pointer (RFC 6901) of a key of the object itself."""
    return "/" + _escaped(key)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
