"""SQL on the lake, for analysts."""

from shutil import get_terminal_size

import duckdb
import polars as pl

from feature_store.schemas.addresses import without_secrets
from feature_store.tables.past_nights import open_night
from flows.settings import Settings
from flows.workspace import open_lake

UNBOUNDED = (10_000, 24)
"""Size of what is no terminal: a file or a pipe takes lines of any length."""


class QueryError(ValueError):
    """DuckDB refused the query, or there is none."""


def run_query(settings: Settings, sql: str, output_format: str, *, night: str | None = None) -> str:
    """Run a query on the lake, read only, and render its rows as `table`, `csv` or `json`.

    Args:
        settings: of the workspace.
        sql: the query.
        output_format: how to render.
        night: the run whose tables readers' names show; the last one that was published, if None.

    Raises:
        QueryError: if DuckDB refuses the query, in DuckDB's words, or there is none.
        UnknownNightError: if there is no such night to be read.
    """
    return _without_password(settings, render_rows(select_rows(settings, sql, night=night), output_format))


def select_rows(settings: Settings, sql: str, *, night: str | None = None) -> pl.DataFrame:
    """Run a query on the lake, read only; see `run_query`."""
    lake = open_lake(settings, read_only=True)
    connection = open_night(lake, night) if night else lake.cursor()
    try:
        if not connection.extract_statements(sql):
            raise QueryError("the query is empty: write one statement, such as FROM artworks")
        return pl.DataFrame(connection.execute(sql).to_arrow_table())
    except duckdb.Error as error:
        raise QueryError(str(error)) from error


def _without_password(settings: Settings, rendered: str) -> str:
    """Leave the password out of the catalogue's address, which DuckDB tells who asks for its databases."""
    if not settings.catalog:
        return rendered
    told = without_secrets(settings.catalog)
    for word in ("", "postgres:"):
        rendered = rendered.replace(settings.catalog.removeprefix(word), told.removeprefix(word))
    return rendered


def render_rows(rows: pl.DataFrame, output_format: str) -> str:
    """Render rows as text."""
    if output_format == "csv":
        return rows.write_csv().rstrip("\n")
    if output_format == "json":
        return rows.write_json()
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        fmt_str_lengths=80,
        tbl_width_chars=get_terminal_size(fallback=UNBOUNDED).columns,
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
    ):
        return str(rows)
