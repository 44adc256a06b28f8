"""Large numbers of rows as a Parquet file of their own, which the lake then takes over as it is.

What all of them have in common stands in the file's path, as in Hive's partitioned tables, and costs nothing
there. As columns, three such texts would take a fifth of the time in which a large log is written.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from duckdb import DuckDBPyConnection

from feature_store.lake.durable_files import NOTHING_LOST
from feature_store.lake.lake import LAKE, LakeError, quote
from feature_store.schemas import Table

LONGEST_NAME = 255
"""Bytes of a folder's name; a longer text stays a column."""

PARQUET_OPTIONS = "PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 2000"
"""Ids are rarely repeated within a row group: to look for more values than that takes a third of the writing,
mostly to find out that a dictionary does not pay."""


@contextmanager
def added_rows(
    connection: DuckDBPyConnection, data: Path, table: Table, rows: str, common: Mapping[str, str]
) -> Iterator[int]:
    """Add rows to a table as one new file, which goes again if the context ends in an error.

    Args:
        connection: inside the transaction that adds them.
        data: the folder of the lake's Parquet files.
        table: where they belong.
        rows: a relation that has the table's columns but for the common ones.
        common: value of each column that is the same in all rows, as text.

    Yields:
        Number of rows.

    Raises:
        LakeError: if no folder can be made for the file.
    """
    parts = {name: part for name, value in common.items() if len(part := _name(name, value)) <= LONGEST_NAME}
    file = _make_folder(data, table, *parts.values()) / f"{uuid.uuid4()}.parquet"
    columns = {name: name for name in table.column_names if name not in parts}
    columns |= {name: quote(value) for name, value in common.items() if name not in parts}
    selected = ", ".join(f"{value}::{table.sql_types[name]} AS {name}" for name, value in columns.items())
    try:
        yield _write(connection, file, f"SELECT {selected} FROM {rows}", table)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _name(column: str, value: str) -> str:
    """Name the folder of all rows with a value: every byte is encoded, since a bare `null` would be NULL."""
    return f"{column}=" + "".join(f"%{byte:02X}" for byte in value.encode())


def _make_folder(data: Path, table: Table, *parts: str) -> Path:
    folder = data.joinpath(table.schema, table.name, *parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LakeError(f"cannot write to {data.parent}: {error.strerror}. {NOTHING_LOST}") from error
    return folder


def _write(connection: DuckDBPyConnection, file: Path, rows: str, table: Table) -> int:
    written = connection.execute(f"COPY ({rows}) TO {quote(str(file))} ({PARQUET_OPTIONS})").fetchall()
    connection.execute(
        f"CALL ducklake_add_data_files({quote(LAKE)}, {quote(table.name)}, {quote(str(file))}, "
        f"schema => {quote(table.schema)}, hive_partitioning => true)"
    )
    return int(written[0][0])
