"""Where in a settings file a key stands, so that a message can name the line to change."""

import re
from collections.abc import Iterator, Sequence

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*([\w.-]+|"[^"]+"|'[^']+')\s*=""")

Key = str | int
"""Name of a key, or place in a list of tables, from 0."""


def find_line(text: str, keys: Sequence[Key]) -> int | None:
    """Find the line of a key, or of what holds it if it is not there itself.

    Args:
        text: the TOML file's content.
        keys: from the outermost table to the key: `("sources", 0, "path")`.

    Returns:
        The line's number, from 1; None if not even the outermost table is there.
    """
    best, found = 0, None
    for number, path in _places(text):
        if best < len(path) <= len(keys) and list(path) == list(keys[: len(path)]):
            best, found = len(path), number
    return found


def _places(text: str) -> Iterator[tuple[int, tuple[Key, ...]]]:
    """Yield the number and the path of each line that opens a table or sets a key."""
    table: tuple[Key, ...] = ()
    tables: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = tuple(_names(header[2]))
            if header[1] == "[[":
                tables[header[2]] = tables.get(header[2], -1) + 1
                table += (tables[header[2]],)
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *_names(key[1]))


def _names(key: str) -> list[str]:
    return [key[1:-1]] if key[0] in "\"'" else [part.strip() for part in key.split(".")]
