"""How a log writes its times."""

from recsys_adapters.records.sql_quoting import quoted_text

# Beyond year 5000 to_timestamp would fail for the whole file; such a time is refused for its record alone.
_LAST_EPOCH_SECONDS = "1e11"
_EPOCH_UNITS = {"seconds": 1, "milliseconds": 1000}


def time_column_type(time_format: str) -> str:
    """DuckDB type as which the column of times is read.

    Args:
        time_format: `seconds` or `milliseconds` since 1970, `iso8601`, or a pattern of strptime.

    Raises:
        ValueError: for any other word.
    """
    if time_format in _EPOCH_UNITS:
        return "DOUBLE"
    if time_format == "iso8601":
        return "TIMESTAMPTZ"
    if "%" in time_format:
        return "VARCHAR"
    raise ValueError(
        f"time format {time_format!r} is unknown. Write seconds, milliseconds, iso8601 or a strptime pattern "
        "such as '%d/%m/%Y %H:%M'."
    )


def event_time_sql(column: str, time_format: str) -> str:
    """SQL of a time (TIMESTAMPTZ) from a column of `time_column_type`, NULL where it is none.

    A time that names no zone is read in the connection's.
    """
    if time_format in _EPOCH_UNITS:
        seconds = column if time_format == "seconds" else f"{column} / {_EPOCH_UNITS[time_format]}"
        in_reach = f"{seconds} BETWEEN -{_LAST_EPOCH_SECONDS} AND {_LAST_EPOCH_SECONDS}"
        return f"CASE WHEN {in_reach} THEN to_timestamp({seconds}) END"
    if time_format == "iso8601":
        return column
    return f"CAST(try_strptime({column}, {quoted_text(time_format)}) AS TIMESTAMPTZ)"
