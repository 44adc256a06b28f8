"""Texts of a catalogue as people read them: without entities, markup, brackets of lists, unseen blanks.

Tom &amp; Jerry              Tom & Jerry
<b>Delta</b> <lora:x:0.5>    Delta
["Action", "Sci-Fi"]         Action Sci-Fi
Comedy|Drama                 Comedy Drama
["The Matrix"]               The Matrix, where it is a title
(no genres listed)           nothing
"""

import ast
import html
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from html.entities import html5

import duckdb
from duckdb.func import FunctionNullHandling

from recsys_adapters.records.sql_quoting import quoted_text

NOTHING = ("(no genres listed)", "[]", "{}", "[null]")

_FUNCTION = "plain_text"
_SWITCHES = (
    "allowfullscreen|async|autofocus|autoplay|checked|controls|default|defer|disabled|hidden|ismap|itemscope|"
    "loop|multiple|muted|nomodule|novalidate|open|readonly|required|reversed|selected"
)
"""Attributes of HTML that have no value. Other bare words in angle brackets are prose: `a<b then c>d`."""
# Each text is read in one way only: with two, a long one that is no tag would be tried in all of both.
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s<>"'][^\s<>]*(?![^\s<>]))"""
_ATTRIBUTES = rf"""(?:[\s/]+(?:(?:{_SWITCHES})(?![^\s/<>])|[^\s"'<>/=]+\s*=\s*{_VALUE}))*[\s/]*"""
_TAG = re.compile(rf"</?[a-z][\w:.-]*{_ATTRIBUTES}>|<!--(?:(?!<!--|-->).)*-->", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(rf"</?(?:br|p|div|li|ul|ol|h[1-6]|tr|td)\b{_ATTRIBUTES}>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
"""With its semicolon: `Milk&centre` has none in it, though HTML's old rules read `&cent` there."""
_INVISIBLE = re.compile("[\u200b\u200c\u2060\ufeff\u00ad]")
_BLANK = re.compile(r"\s+")
_JOINED = re.compile(r"[^|]*\S\|\S[^|]*(?:\|[^|]*)*")
_MAYBE_NOT_PLAIN = (
    r"[&<\[{|\\(\x{00A0}\x{00AD}\x{200B}-\x{200D}\x{2028}-\x{2060}\x{3000}\x{FEFF}]|^\s|\s$|\s\s|[\t\x0b\f\r]"
)


def register_plain_text(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the queries of the connection's database use `plain_text_sql`."""
    with suppress(duckdb.CatalogException, duckdb.NotImplementedException):
        # Functions over Arrow arrays return texts that DuckDB has freed already.
        connection.create_function(
            _FUNCTION,
            _plain_or_null,
            ["VARCHAR", "BOOLEAN"],
            "VARCHAR",
            null_handling=FunctionNullHandling.SPECIAL,
        )


def _plain_or_null(text: str, is_title: bool) -> str | None:
    # The module's own function, and no other: DuckDB keeps it by its address, and calls it through other
    # connections when the one that it was registered with is gone.
    return plain_text(text, is_title=is_title) or None


def plain_text_sql(text: str, *, is_title: bool = False) -> str:
    """SQL of a text as people read it, NULL where nothing is left.

    Args:
        text: SQL of the text as it stands.
        is_title: whether `|` may be a character of it, and brackets its own; of a list or an object of texts
            it is the first.
    """
    plain = f"{_FUNCTION}({text}, {str(is_title).lower()})"
    return f"CASE WHEN regexp_matches({text}, {quoted_text(_MAYBE_NOT_PLAIN)}) THEN {plain} ELSE {text} END"


def plain_text(text: str, *, is_title: bool = False) -> str:
    """A text as people read it, empty where nothing is left."""
    if text in NOTHING:
        return ""
    words = _title(text) if is_title else " ".join(_words(_parsed(text)))
    words = _TAG.sub("", _BREAK.sub(" ", _unescaped(_unescaped(words))))
    if not is_title and _JOINED.fullmatch(words):
        words = words.replace("|", " ")
    words = _BLANK.sub(" ", _INVISIBLE.sub("", words)).strip()
    return "" if words in NOTHING else words


def _unescaped(text: str) -> str:
    return _ENTITY.sub(lambda found: _character(found[0]), text)


def _character(entity: str) -> str:
    if entity.startswith("&#"):
        return html.unescape(entity)
    return html5.get(entity[1:], entity)


def _title(text: str) -> str:
    """The first text of a list or an object of texts, as of one for each language; else the text itself."""
    value = _parsed(text)
    values = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(values, list) or not all(isinstance(each, str | None) for each in values):
        return text
    return next(filter(None, values), text)


def _parsed(text: str) -> object:
    """The list or object that a text writes, or the text itself."""
    if text.lstrip()[:1] not in ("[", "{"):
        return text
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return parse(text)
    return text


def _words(value: object) -> Iterator[str]:
    """The texts in a value, in their order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        for each in value:
            yield from _words(each)
    elif value is not None and value != "":
        yield str(value)
