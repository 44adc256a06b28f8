"""Zones of times that are named, in the place of an offset or beside it."""

from functools import cache
from zoneinfo import available_timezones

import duckdb

from recsys_adapters.records.sql_quoting import quoted_text

SHORT_NAMES = {
    "UT": "+0000", "UTC": "+0000", "GMT": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600",
    "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700", "AKST": "-0900",
    "AKDT": "-0800", "WET": "+0000", "WEST": "+0100", "CET": "+0100", "CEST": "+0200", "EET": "+0200",
    "EEST": "+0300", "MSK": "+0300", "JST": "+0900", "KST": "+0900", "AEST": "+1000", "AEDT": "+1100",
    "NZST": "+1200", "NZDT": "+1300",
}  # fmt: skip
"""Offsets of those of mail (RFC 5322, section 4.3), and of others that no two zones have.

`BST`, `IST` and their like are several zones': who writes them has to say which, by an offset.
"""
ENDS_WITH_NAME = r"[0-9]\s*[A-Za-z_/+-]{3,}[0-9]*$"
"""Regular expression of times that seem to end with the name of a zone, for a quick look."""
_NAMED = r"^(.*[0-9])\s*([A-Za-z][A-Za-z0-9_]+(?:[/+-][A-Za-z0-9_+/-]*)?)$"
_SHORT = r"^(.*[0-9](?:\s?[AaPp][Mm])?)\s*([A-Z]{2,4})((?: [0-9]{4})?)$"
_TWICE = r"(?:GMT|UTC)?([+-][0-9]{2}:?[0-9]{2})\s*(?:\([^)]*\)|[A-Z]{1,5})?$"
"""An offset with a name around it, as JavaScript and Go write both."""
_HAS_NAME = r"[A-Z)]$|[A-Z] [0-9]{4}$|(?:GMT|UTC)[+-]"


def with_offset_sql(text: str) -> str:
    """SQL of a time whose zone is an offset where its short name tells one."""
    once = f"regexp_replace({text}, {quoted_text(_TWICE)}, '\\1')"
    names = f"[{', '.join(map(quoted_text, SHORT_NAMES))}]"
    offsets = f"[{', '.join(map(quoted_text, SHORT_NAMES.values()))}]"
    begin, name, year = (f"regexp_extract({once}, {quoted_text(_SHORT)}, {group})" for group in (1, 2, 3))
    told = f"coalesce({begin} || ' ' || {offsets}[list_position({names}, {name})] || {year}, {once})"
    return f"CASE WHEN regexp_matches({text}, {quoted_text(_HAS_NAME)}) THEN {told} ELSE {text} END"


def named_sql(text: str) -> str:
    """SQL of a time (TIMESTAMPTZ) that ends with a name of the database of zones, NULL for any other.

    Each text by itself: the engine would read what follows a named zone in that zone, too.
    """
    begin, name = (f"regexp_extract({text}, {quoted_text(_NAMED)}, {group})" for group in (1, 2))
    names = f"[{', '.join(map(quoted_text, _zones()))}]"
    local = f"TRY_CAST({begin} AS TIMESTAMP)"
    return f"CASE WHEN list_contains({names}, {name}) THEN timezone({name}, {local}) END"


@cache
def _zones() -> tuple[str, ...]:
    """Names of the database of zones; of short ones besides, DuckDB takes each for one of its zones."""
    rows = duckdb.connect().execute("SELECT name FROM pg_timezone_names() ORDER BY name").fetchall()
    known = available_timezones() - SHORT_NAMES.keys()
    return tuple(name for (name,) in rows if name in known)
