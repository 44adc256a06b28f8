from datetime import UTC, date, datetime

import duckdb
import pytest

from recsys_adapters.records.event_times import TimeSpelling, spelling_sql, time_defect_sql
from recsys_adapters.remedies import remedy

TEN = datetime(2024, 5, 1, 10, tzinfo=UTC)
ZONED = (
    "2024-05-01T12:00:00,000+02:00", "2024-05-01 12:00:00 +0200", "2024-05-01 12:00:00.000 +02:00",
    "20240501T100000Z", "20240501T120000.000+0200", "2024-05-01t10:00:00z", "2024-05-01 10:00:00 Z",
    "2024-05-01 10:00:00 +0000 UTC", "2024-05-01 12:00:00 CEST", "2024-05-01 03:00 PDT",
    "2024-05-01T06:00:00.000 EDT", "2024-05-01 06:00:00 US/Eastern", "2024-05-01 19:00:00 Japan",
    "20240501T1000Z", "2024-05-01T10Z", "20240501T12+02",
)  # fmt: skip
"""That moment, in zones that the texts themselves name."""


def read(texts, **options):
    spelling = TimeSpelling(**options)
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TABLE times AS SELECT unnest($1::VARCHAR[]) AS text", [texts])
    column = f"TRY_CAST(text AS {spelling.column_type})"
    rows = connection.execute(
        f"SELECT {spelling.sql('event_time')} FROM (SELECT {column} AS event_time FROM times)"
    )
    return [time for (time,) in rows.fetchall()]


def test_a_zone_in_one_line_leaves_its_neighbours_alone():
    texts = ["2024-05-01 10:00:00", "2024-05-01 06:00:00 America/New_York", "2024-05-01 10:00:00"]
    texts += ["2024-05-01T12:00:00+02:00", "2024-05-01 10:00:00", "2024-05-01T10:00:00Z"]
    assert read(texts, time_format="iso8601") == [TEN] * 6


def test_a_zone_that_nobody_knows_is_no_time():
    assert read(["2024-05-01 10:00:00 Middle/Earth", "soon"], time_format="iso8601") == [None, None]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-01 12:00:00", datetime(2024, 1, 1, 17, tzinfo=UTC)),
        ("2024-07-01 12:00:00", datetime(2024, 7, 1, 16, tzinfo=UTC)),
        ("2024-07-01T12:00:00Z", datetime(2024, 7, 1, 12, tzinfo=UTC)),
    ],
)
def test_local_times_follow_daylight_saving(text, utc):
    assert read([text], time_format="iso8601", time_zone="America/New_York") == [utc]
    assert read([text], time_format="auto", time_zone="America/New_York") == [utc]


@pytest.mark.parametrize("text", [*ZONED, "2024-05-01 19:00:00,000", "2024-05-01T19"])
@pytest.mark.parametrize("time_format", ["iso8601", "auto"])
def test_times_near_to_iso_8601_are_times(text, time_format):
    assert read([text], time_format=time_format, time_zone="Asia/Tokyo") == [TEN]


@pytest.mark.parametrize(
    "text", ["2024-05-01 10:00 PM", "2024-13-01T10:00:00,5", "2024-05-01 25:00:00 +0200"]
)
def test_what_is_not_near_to_iso_8601_is_no_time(text):
    assert read([text], time_format="iso8601") == [None]


def test_a_local_time_with_a_comma_is_in_the_zone_of_the_settings():
    local = read(["2024-05-01 12:00:00,250"], time_format="iso8601", time_zone="Europe/Berlin")
    assert local == [TEN.replace(microsecond=250_000)]


@pytest.mark.parametrize(
    "text",
    ["1714557600", "1714557600000", "1714557600000000", "1714557600000000000", "2024-05-01 10:00:00"]
    + ["20240501100000", "2024-05-01T12:00:00+02:00", "1714557600.0"],
)
def test_auto_takes_each_value_for_what_it_looks_like(text):
    assert read([text], time_format="auto") == [TEN]


def test_auto_takes_eight_digits_for_a_date():
    assert read(["20240501"], time_format="auto") == [datetime(2024, 5, 1, tzinfo=UTC)]


def test_a_spreadsheets_days_are_days():
    assert read(["45413.416666666664"], time_format="excel") == [TEN]


def test_a_pattern_without_a_zone_is_local():
    local = read(["01.05.2024 12:00"], time_format="%d.%m.%Y %H:%M", time_zone="Europe/Berlin")
    assert local == [TEN]


def test_times_that_cannot_be_have_a_rule():
    reasons = [rule.reason for rule in TimeSpelling(latest=date(2024, 1, 1)).rules]
    assert reasons == [
        "event_time is before 1990-01-01, the `earliest`: is it of another unit?",
        "event_time is after 2024-01-01",
    ]


UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def broken(times, **options):
    """Which of the rules of settings each time, as the log writes it, breaks."""
    spelling = TimeSpelling(**options)
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TABLE times AS SELECT unnest($1::VARCHAR[]) AS text", [times])
    rules = ", ".join(f"coalesce({rule.broken}, false)" for rule in spelling.rules)
    column = f"TRY_CAST(text AS {spelling.column_type})"
    rows = connection.execute(f"SELECT {rules} FROM (SELECT {column} AS event_time FROM times)").fetchall()
    return [list(row) for row in rows]


@pytest.mark.parametrize("unit", UNITS)
def test_a_number_is_a_time_in_the_unit_of_the_settings(unit):
    assert read([str(1714557600 * UNITS[unit]), "soon"], time_format=unit) == [TEN, None]


@pytest.mark.parametrize("text", ["2024050110", "202405011000", "2024050110000"])
def test_what_may_be_seconds_since_1970_is_no_written_time(text):
    assert read([text], time_format="iso8601") == [None]


@pytest.mark.parametrize("unit", UNITS)
def test_a_number_is_held_against_the_first_and_the_last_day_in_its_own_unit(unit):
    days = {"earliest": date(2001, 2, 3), "latest": date(2004, 5, 6)}
    first, last = (round(datetime(*d.timetuple()[:3], tzinfo=UTC).timestamp()) for d in days.values())
    numbers = [str(second * UNITS[unit]) for second in (first - 1, first, last - 1, last)]
    found = broken(numbers, time_format=unit, **days)
    assert found == [[True, False], [False, False], [False, False], [False, True]]


@pytest.mark.parametrize(("time_format", "first"), [("excel", 36925.0), ("iso8601", "2001-02-03")])
def test_a_written_time_is_held_against_the_first_day_too(time_format, first):
    before = str(first - 0.01) if time_format == "excel" else "2001-02-02T23:59:59Z"
    options = {"time_format": time_format, "earliest": date(2001, 2, 3)}
    assert broken([before, str(first), "soon"], **options) == [[True], [False], [False]]


def test_a_pattern_with_a_zone_is_in_it_and_not_in_that_of_the_settings():
    pattern = {"time_format": "%d.%m.%Y %H:%M %z", "time_zone": "Asia/Tokyo"}
    assert read(["01.05.2024 12:00 +0200", "01.05.2024 06:00 -0400"], **pattern) == [TEN, TEN]


@pytest.mark.parametrize(
    ("text", "unit", "time"),
    [
        ("99999999999", "seconds", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("-99999999999", "seconds", None),
        ("100000000000", "milliseconds", datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        ("99999999999000", "milliseconds", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("100000000000000", "microseconds", datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        ("99999999999000000", "microseconds", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("100000000000000000", "nanoseconds", datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        ("99999999999000000000", "nanoseconds", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("20240501", "dates without dashes", datetime(2024, 5, 1, tzinfo=UTC)),
        ("20240501100000", "dates without dashes", TEN),
        ("1 May 2024 10:00", "dates with words", TEN),
        ("2024-05-01T10:00:00Z", "iso8601", TEN),
    ],
)
def test_auto_says_what_it_takes_each_value_for(text, unit, time):
    assert duckdb.execute(f"SELECT {spelling_sql('$1::VARCHAR')}", [text]).fetchone() == (unit,)
    if time:
        assert read([text], time_format="auto") == [time]


def test_a_zone_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="time zone 'Mars' is unknown"):
        TimeSpelling(time_zone="Mars")


@pytest.mark.parametrize("pattern", ["%s", "%Y-%m-%d %Q", "%"])
def test_a_pattern_with_a_part_that_nobody_knows_is_refused_as_a_setting(pattern):
    with pytest.raises(ValueError, match=r"has a part that is unknown, such as %s\. Write seconds"):
        TimeSpelling(time_format=pattern)


@pytest.mark.parametrize("pattern", ["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S.%f%z", "%j %y", "%c"])
def test_a_pattern_of_known_parts_is_taken(pattern):
    assert TimeSpelling(time_format=pattern).column_type == "VARCHAR"


@pytest.mark.parametrize("zone", ["BST", "IST", "AST", "XYZ"])
def test_a_short_name_of_several_zones_is_no_zone(zone):
    texts = [f"2024-05-01 10:00:00 {zone}", f"Wed May 01 10:00:00 {zone} 2024"]
    assert read(texts, time_format="auto") == [None, None]


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 01 May 2024 10:00:00 +0000",
        "Wed, 01 May 2024 10:00:00 GMT",
        "1 May 2024 06:00:00 EDT",
        "Wed May 01 12:00:00 CEST 2024",
        "Wed May  1 10:00:00 UTC 2024",
        "Wed May 01 10:00:00 +0000 2024",
        "Wed May 01 2024 12:00:00 GMT+0200 (Central European Summer Time)",
        "01/May/2024:12:00:00 +0200",
        "May 1, 2024, 10:00:00 AM UTC",
        "01-MAY-2024 10:00:00 UTC",
    ],
)
def test_auto_reads_times_with_words(text):
    assert read([text, "2024-05-01"], time_format="auto", time_zone="Asia/Tokyo")[:1] == [TEN]


@pytest.mark.parametrize(
    "text",
    ["Wed May  1 12:00:00 2024", "May 1, 2024 at 12:00 PM", "01-May-2024 12:00:00", "1 May 2024, 12:00"],
)
def test_words_without_a_zone_are_local(text):
    assert read([text], time_format="auto", time_zone="Europe/Berlin") == [TEN]


def test_days_alone_begin_at_midnight_of_their_zone():
    texts = ["1 May 2024", "May 1, 2024", "01-May-2024", "Wednesday, May 1, 2024", "2024-05-01", "20240501"]
    midnight = datetime(2024, 4, 30, 22, tzinfo=UTC)
    assert read(texts, time_format="auto", time_zone="Europe/Berlin") == [midnight] * 6
    assert read(texts[-2:], time_format="iso8601", time_zone="Europe/Berlin") == [midnight] * 2


@pytest.mark.parametrize("text", ["05/01/2024", "01.05.2024", "Maybe", "32 May 2024", "1714557600"])
def test_what_could_mean_two_days_is_no_time(text):
    assert read([text], time_format="iso8601") == [None]
    assert text.isdecimal() or read([text], time_format="auto") == [None]


def defect(text):
    rows = duckdb.connect().execute(f"SELECT {time_defect_sql('x')} FROM (SELECT $1::VARCHAR AS x)", [text])
    return rows.fetchall()[0][0]


@pytest.mark.parametrize(
    "text", ["1.70407E+12", "1.7E+12", "2E+09", "1,70407E+12", " 1.70407E+09 ", "1.70407e+12", "1.70407e+09"]
)
def test_a_time_that_was_rounded_lost_its_digits(text):
    assert defect(text).startswith("event_time lost digits")
    assert "1.70407E+12" in remedy(defect(text))


@pytest.mark.parametrize(
    "text",
    ["1.7040672E12", "1.704067200123e+12", "1.704067E+12", "1.70208e+18", "1.7e+12", "1.70407E12", None]
    + ["1704067200", "1704067200000.0", "2024-05-01T12:00:00+02:00", "Wed, 01 May 2024 10:00:00 +0000"],
)
def test_a_time_that_may_have_all_digits_is_left(text):
    assert defect(text) is None
