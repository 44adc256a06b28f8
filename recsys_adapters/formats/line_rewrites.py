"""Text layouts that become one record a line of CSV or JSON: sections, long delimiters, arrays, literals.

Each is a rewriting of blocks of whole lines. What was no record of its own becomes a line that begins with
`NO_RECORD`, so that numbers of lines stay; JSON of several lines is numbered by its records.
"""

import ast
import json
import re
from collections.abc import Iterator

from recsys_adapters.formats.file_lines import Rewrite

NO_RECORD = "\x1e"
UNIT_SEPARATOR = "\x1f"
"""Stands for a delimiter of several characters."""

_TOKENS = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)
_BESIDE = re.compile(rb'"(?:\\.|[^"\\])*"?|[^\s,"\[\]]+')
"""A text, number or word that stands where objects are expected."""


def in_turn(*rewrites: Rewrite) -> Rewrite:
    """One rewriting after another."""

    def rewrite(blocks: Iterator[bytes]) -> Iterator[bytes]:
        for each in rewrites:
            blocks = each(blocks)
        return blocks

    return rewrite


def replace_delimiter(delimiter: str) -> Rewrite:
    """Let one character stand for a delimiter of several."""
    old, new = delimiter.encode(), UNIT_SEPARATOR.encode()
    return lambda blocks: (block.replace(old, new) for block in blocks)


def repeat_section(pattern: str, delimiter: str) -> Rewrite:
    r"""Put what the first group of a section's line says before each line of the section.

    Args:
        pattern: regular expression of the whole line that begins a section, for example `(\d+):`.
        delimiter: what parts it from the line's own values.
    """
    heading, no_record = re.compile(rb"^" + pattern.encode() + rb"$"), NO_RECORD.encode()

    def rewrite(blocks: Iterator[bytes]) -> Iterator[bytes]:
        section = b""
        for block in blocks:
            lines = block.split(b"\n")[:-1]
            for place, line in enumerate(lines):
                if found := heading.match(line):
                    section = (found[1] if found.groups() else line) + delimiter.encode()
                    lines[place] = no_record + line
                else:
                    lines[place] = section + line
            yield b"\n".join([*lines, b""])

    return rewrite


def read_literals(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Write Python's literals as JSON; a line that is none stays as it is."""
    for block in blocks:
        yield b"".join(_as_json(line) + b"\n" for line in block.split(b"\n")[:-1])


def _as_json(line: bytes) -> bytes:
    if not line.lstrip().startswith((b"{", b"[")):
        return line
    try:
        return json.dumps(ast.literal_eval(line.decode()), ensure_ascii=False, default=str).encode()
    except (ValueError, SyntaxError, RecursionError, MemoryError, UnicodeError):
        return line


def one_value_a_line(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Write the objects of a JSON array, or JSON objects of several lines, each in a line of its own."""
    splitter = _ValueSplitter()
    for block in blocks:
        if values := splitter.split(block):
            yield b"\n".join([*values, b""])
    if rest := splitter.rest():
        yield b"\n".join([*rest, b""])


class _ValueSplitter:
    """Finds where JSON values begin and end, by brackets that stand outside of texts."""

    def __init__(self) -> None:
        self._depth, self._outer, self._is_text = 0, -1, False
        self._value: list[bytes] = []
        self._between: list[bytes] = []

    def split(self, block: bytes) -> list[bytes]:
        """The values that end in this block, which is one of whole lines."""
        done, start, end = [], 0, 0
        for token in _TOKENS.finditer(block):
            if token[0] == b'"':
                self._is_text = not self._is_text
            elif self._is_text or token[0].startswith(b"\\"):
                continue
            elif token[0] in b"[{":
                self._outer = int(token[0] == b"[") if self._outer < 0 else self._outer
                if self._depth == self._outer:
                    start = token.start()
                    self._between.append(block[end:start])
                    done += self._beside()
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if self._depth == self._outer:
                    self._value.append(block[start : token.end()])
                    start = end = token.end()
                    done.append(self._joined())
        if self._depth > self._outer >= 0:
            self._value.append(block[start:])
        else:
            self._between.append(block[end:])
        return done

    def rest(self) -> list[bytes]:
        """What was begun, in one line; what follows the last value; the bracket of a cut list."""
        unclosed = [b"["] if self._depth == self._outer == 1 else []
        return [*filter(None, [self._joined()]), *self._beside(), *unclosed]

    def _joined(self) -> bytes:
        value = b"".join(self._value).replace(b"\n", b" ").strip()
        self._value = []
        return value

    def _beside(self) -> list[bytes]:
        """What stands between values, and is none that has an end of its own."""
        found = _BESIDE.findall(b"".join(self._between).replace(b"\n", b" "))
        self._between = []
        return found
