"""Chosen pictures as files of their own, with a table that says what each is: for reviews and other tools."""

from pathlib import Path, PurePosixPath

import polars as pl

from feature_store.lake.durable_files import filling
from feature_store.lake.stored_files import StoredFiles
from flows.questions.query import select_rows
from flows.settings import Settings
from flows.workspace import open_workspace

EVERYTHING = "SELECT * FROM pictures WHERE picture IS NOT NULL ORDER BY item_id, user_id"
PATHS = ("picture", "image_path", "plain_image_path")
"""Columns of paths of pictures, the first that a query has counts."""
TABLE = "pictures.csv"


class ExportError(ValueError):
    """Nothing can be copied so."""


def export_pictures(settings: Settings, folder: Path, sql: str = EVERYTHING) -> tuple[int, int]:
    """Copy the pictures of a query's rows into a folder, with its rows as `pictures.csv`.

    Args:
        settings: of the workspace.
        folder: made if it is not there; it must be empty.
        sql: a query with a column `picture`, `image_path` or `plain_image_path`.

    Returns:
        The numbers of rows, and of those whose picture is not in the workspace: a stock image of elsewhere,
        a lost file. They are in the table without a file.

    Raises:
        ExportError: if the folder has files in it, or the query has none of the columns.
        QueryError: if DuckDB refuses the query, or there is none.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty: name a new folder")
    rows = select_rows(settings, sql)
    column = next((name for name in PATHS if name in rows.columns), None)
    if column is None:
        raise ExportError(f"the query must have a column {', '.join(PATHS[:-1])} or {PATHS[-1]}")
    with filling(folder):
        stored = open_workspace(settings).files
        files = [_copy(stored, path, folder) for path in rows[column].to_list()]
        table = rows.with_columns(pl.Series("file", files, pl.String)).select(*_flat(rows), pl.col("file"))
        table.write_csv(folder / TABLE)
    return len(files), files.count(None)


def _copy(files: StoredFiles, path: str | None, folder: Path) -> str | None:
    """Copy one picture; return its name in the folder, None if it is no file of the workspace."""
    content = files.read(path) if path and "://" not in path else None
    if not path or content is None:
        return None
    name = PurePosixPath(path).name
    (folder / name).write_bytes(content)
    return name


def _flat(rows: pl.DataFrame) -> list[pl.Expr]:
    """All columns, lists as texts: CSV has no lists."""
    return [
        pl.col(name).cast(pl.List(pl.String)).list.join("; ") if isinstance(kind, pl.List) else pl.col(name)
        for name, kind in rows.schema.items()
    ]
