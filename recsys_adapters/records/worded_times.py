"""Times that name their month, as mail, servers' logs and programs write them.

Wed, 01 May 2024 10:00:00 +0000           mail and HTTP
Wed May 01 12:00:00 CEST 2024             Java, Unix, Twitter
Wed May 01 2024 12:00:00 GMT+0200 (CEST)  JavaScript
01/May/2024:10:00:00 +0000                web servers
May 1, 2024, 10:00:00 AM                  exports for people
"""

from collections.abc import Callable, Sequence
from itertools import product

from recsys_adapters.records.named_zones import with_offset_sql
from recsys_adapters.records.sql_quoting import quoted_text

HAS_MONTH = r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
"""Regular expression of texts that name a month."""

_DAYS = (
    "%a, %d %b %Y", "%A, %d %B %Y", "%a %b %d %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d/%b/%Y",
    "%b %d, %Y", "%B %d, %Y", "%a, %b %d, %Y", "%A, %B %d, %Y",
)  # fmt: skip
_BETWEEN = (" ", ", ", " at ", ":")
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_MOMENTS = tuple(map("".join, product(_DAYS, _BETWEEN, _CLOCKS)))
_LOCAL = (*_MOMENTS, *_DAYS, "%a %b %d %H:%M:%S %Y")
_ZONED = (*(f"{moment} %z" for moment in _MOMENTS), "%a %b %d %H:%M:%S %z %Y")


def worded_sql(text: str, in_local_zone: Callable[[str], str]) -> str:
    """SQL of a time (TIMESTAMPTZ) that names its month, NULL for any other text.

    Args:
        text: SQL of the text.
        in_local_zone: makes SQL of a time without a zone that of the moment.
    """
    zoned, local = _strptime("written", _ZONED), in_local_zone(_strptime("written", _LOCAL))
    read = f"list_transform([{with_offset_sql(text)}], lambda written: coalesce({zoned}, {local}))[1]"
    return f"CASE WHEN regexp_matches({text}, {quoted_text(HAS_MONTH)}) THEN {read} END"


def _strptime(text: str, patterns: Sequence[str]) -> str:
    return f"try_strptime({text}, [{', '.join(map(quoted_text, patterns))}])"
