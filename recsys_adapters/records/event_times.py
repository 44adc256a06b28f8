"""How a log writes its times."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import duckdb

from feature_store.schemas import Rule
from recsys_adapters.records.named_zones import ENDS_WITH_NAME, named_sql, with_offset_sql
from recsys_adapters.records.sql_quoting import quoted_text
from recsys_adapters.records.worded_times import HAS_MONTH, worded_sql

# Beyond year 5000 to_timestamp would fail for the whole file; such a time is refused for its record alone.
_LAST_EPOCH_SECONDS = "1e11"
_EPOCH_UNITS = {"seconds": 1, "milliseconds": 1000, "microseconds": 10**6, "nanoseconds": 10**9}
_SIZES = {"seconds": "1e11", "milliseconds": "1e14", "microseconds": "1e17", "nanoseconds": "1e20"}
"""Below which a number is in each unit, if it is a time of this age."""
_EXCEL_EPOCH_DAYS = 25569
"""Days from the 30th of December 1899, where a spreadsheet's days begin, to 1970."""
_OFFSET = r"[0-9]:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?\s*(?:[Zz]|[+-][0-9]{1,2}(?::?[0-9]{2}){0,2})$"
_WRITTEN = (
    r"^([0-9]{4})-?([0-9]{2})-?([0-9]{2})"
    r"(?:\s?[Tt]?\s?([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]{1,9}))?)?)?)?"
    r"\s?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
"""Also without signs between the numbers, with a comma, small letters, or a blank before the zone; or without
seconds, minutes, hours."""
_SECONDS_SINCE_1970 = "[0-9]{10}|[0-9]{12,13}"
"""Numbers that could be written times by their digits, and are none."""
_ROUNDED = r"\s*[-+]?[0-9](?:(?:[.,][0-9]{0,5})?E\+[0-9]{2}|[.,][0-9]{5}e\+(?:0[0-9]|1[0-5]))\s*"
"""Numbers as a spreadsheet shows long ones, and as C's `%g` writes them. Java writes `1.7E12`, and Python
`1.7e+18`, but only from there on; both write all digits."""
_WORDS = (*_EPOCH_UNITS, "excel", "iso8601", "auto")


@cache
def _is_pattern(text: str) -> bool:
    try:
        duckdb.connect().execute("SELECT try_strptime('', $1)", [text])
    except duckdb.InvalidInputException:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class TimeSpelling:
    """How times are written, and which of them can be.

    Raises:
        ValueError: for an unknown format or zone.
    """

    time_format: str = "seconds"
    """`seconds`, `milliseconds`, `microseconds` or `nanoseconds` since 1970, `excel`'s days, `iso8601`,
    `auto`, or a pattern of strptime."""
    time_zone: str = "UTC"
    """Zone of times that name none."""
    earliest: date = date(1990, 1, 1)
    """No event can be older."""
    latest: date | None = None
    """No event can be younger; none: than tomorrow."""

    def __post_init__(self) -> None:
        if self.time_format not in _WORDS and "%" not in self.time_format:
            raise ValueError(
                f"time format {self.time_format!r} is unknown. Write {', '.join(_WORDS)} or a strptime "
                "pattern such as '%d/%m/%Y %H:%M'."
            )
        if self.time_format not in _WORDS and not _is_pattern(self.time_format):
            raise ValueError(
                f"time format {self.time_format!r} has a part that is unknown, such as %s. Write seconds for "
                "seconds since 1970, or a strptime pattern such as '%d/%m/%Y %H:%M'."
            )
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"time zone {self.time_zone!r} is unknown. Write a name such as America/New_York."
            ) from error

    @property
    def column_type(self) -> str:
        """DuckDB type as which the column of times is read."""
        return "DOUBLE" if self.time_format in (*_EPOCH_UNITS, "excel") else "VARCHAR"

    def sql(self, column: str) -> str:
        """SQL of a time (TIMESTAMPTZ) from a column of `column_type`, NULL where it is none."""
        if self.time_format in _EPOCH_UNITS:
            return _epoch_sql(column, _EPOCH_UNITS[self.time_format])
        if self.time_format == "excel":
            local = f"epoch_ms(CAST(round(({column} - {_EXCEL_EPOCH_DAYS}) * 864e5) AS BIGINT))"
            return f"CASE WHEN abs({column}) < 1e6 THEN {self._local(local)} END"
        if self.time_format == "iso8601":
            return self._iso_sql(column)
        if self.time_format == "auto":
            return self._auto_sql(column)
        parsed = f"try_strptime({column}, {quoted_text(self.time_format)})"
        return f"CAST({parsed} AS TIMESTAMPTZ)" if "%z" in self.time_format.lower() else self._local(parsed)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Refuse what cannot be when it happened."""
        rules = [
            Rule(
                f"event_time is before {self.earliest}, the `earliest`: is it of another unit?",
                f"{self._comparable} < {self._bound(self.earliest)}",
            )
        ]
        if self.latest:
            broken = f"{self._comparable} >= {self._bound(self.latest)}"
            rules.append(Rule(f"event_time is after {self.latest}", broken))
        return tuple(rules)

    @property
    def _comparable(self) -> str:
        """SQL of what is compared with a bound: a number as it is, which costs less than its time."""
        return "event_time" if self.time_format in _EPOCH_UNITS else f"({self.sql('event_time')})"

    def _bound(self, day: date) -> str:
        if self.time_format in _EPOCH_UNITS:
            seconds = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
            return f"{seconds * _EPOCH_UNITS[self.time_format]!r}"
        return f"TIMESTAMPTZ '{day} 00:00:00+00'"

    def _local(self, timestamp: str) -> str:
        if self.time_zone == "UTC":
            return f"CAST({timestamp} AS TIMESTAMPTZ)"
        return f"timezone({quoted_text(self.time_zone)}, {timestamp})"

    def _iso_sql(self, text: str) -> str:
        local = self._local(f"TRY_CAST({text} AS TIMESTAMP)")
        usual = (
            f"CASE WHEN regexp_matches({text}, {quoted_text(_OFFSET)}) THEN TRY_CAST({text} AS TIMESTAMPTZ) "
            f"WHEN regexp_matches({text}, {quoted_text(ENDS_WITH_NAME)}) THEN {named_sql(text)} "
            f"ELSE {local} END"
        )
        unusual = self._unusual_sql("written")
        unusual = f"list_transform([{with_offset_sql(text)}], lambda written: {unusual})[1]"
        # Outside of a CASE the engine takes out what occurs twice, and reckons it for all times.
        return f"CASE WHEN {text} <> '' THEN coalesce({usual}, {unusual}) END"

    def _unusual_sql(self, text: str) -> str:
        """Ways of writing that DuckDB does not know, though ISO 8601 or RFC 3339 allow them or are near."""
        found = [f"regexp_extract({text}, {quoted_text(_WRITTEN)}, {group})" for group in range(9)]
        day = f"concat_ws('-', {', '.join(found[1:4])})"
        parts = [f"coalesce(nullif({part}, ''), '00')" for part in found[4:7]]
        clock = f"concat_ws(':', {', '.join(parts)})"
        moment = f"concat({day}, ' ', {clock}, '.' || nullif({found[7]}, ''))"
        absolute = f"TRY_CAST(concat({moment}, upper({found[8]})) AS TIMESTAMPTZ)"
        local = self._local(f"TRY_CAST({moment} AS TIMESTAMP)")
        is_written = f"{found[0]} <> '' AND NOT regexp_full_match({text}, {quoted_text(_SECONDS_SINCE_1970)})"
        return f"CASE WHEN {is_written} THEN CASE WHEN {found[8]} = '' THEN {local} ELSE {absolute} END END"

    def _auto_sql(self, text: str) -> str:
        """By its size, a number is in one unit only; eight digits are a date."""
        number = f"TRY_CAST({text} AS DOUBLE)"
        units = " ".join(
            f"WHEN abs({number}) < {size} THEN {_epoch_sql(number, _EPOCH_UNITS[unit])}"
            for unit, size in _SIZES.items()
        )
        day = self._local(f"try_strptime({text}, '%Y%m%d')")
        moment = self._local(f"try_strptime({text}, '%Y%m%d%H%M%S')")
        return (
            f"CASE WHEN regexp_full_match({text}, '(19|20)[0-9]{{6}}') THEN {day} "
            f"WHEN regexp_full_match({text}, '(19|20)[0-9]{{12}}') THEN {moment} "
            f"WHEN {number} IS NOT NULL THEN CASE {units} END "
            f"ELSE coalesce({self._iso_sql(text)}, {worded_sql(text, self._local)}) END"
        )


def time_defect_sql(text: str) -> str:
    """SQL of the reason to refuse a time that was rounded when it was written; NULL for any other."""
    reason = quoted_text("event_time lost digits: it was rounded when it was written; export it as a text")
    is_rounded = f"regexp_full_match({text}, {quoted_text(_ROUNDED)})"
    # Most texts have not the one sign, few both, and one in millions is such a number: the rest is spared.
    has_exponent = f"contains({text}, 'E+') OR contains({text}, 'e+')"
    return (
        f"CASE WHEN contains({text}, '+') "
        f"THEN CASE WHEN {has_exponent} THEN CASE WHEN {is_rounded} THEN {reason} END END END"
    )


def spelling_sql(text: str) -> str:
    """SQL of what `auto` takes a text for."""
    number = f"abs(TRY_CAST({text} AS DOUBLE))"
    units = " ".join(f"WHEN {number} < {size} THEN {quoted_text(unit)}" for unit, size in _SIZES.items())
    return (
        f"CASE WHEN regexp_full_match({text}, '(19|20)([0-9]{{6}}|[0-9]{{12}})') THEN 'dates without dashes' "
        f"{units} "
        f"WHEN regexp_matches({text}, {quoted_text(HAS_MONTH)}) THEN 'dates with words' ELSE 'iso8601' END"
    )


def _epoch_sql(number: str, unit: int) -> str:
    seconds = number if unit == 1 else f"{number} / {unit}"
    return f"CASE WHEN abs({seconds}) <= {_LAST_EPOCH_SECONDS} THEN to_timestamp({seconds}) END"
