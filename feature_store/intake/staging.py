"""Source files read once, into a Parquet file of their accepted rows beside the lake's own.

A large log's file is one that the lake can take over as it is: what all its rows have in common stands in the
file's path, as in Hive's partitioned tables, and costs nothing there.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from feature_store.intake.newcomers import Newcomers
from feature_store.intake.refused_records import RefusedRecords
from feature_store.lake.lake import Lake
from feature_store.lake.sql import LAKE, quote
from feature_store.schemas import ITEMS, USERS, Table

LONGEST_NAME = 255
"""Bytes of a folder's name; a file that would need a longer one is not taken over."""

PARQUET_OPTIONS = "PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 2000, COMPRESSION lz4_raw"
"""Ids are rarely repeated within a row group: to look for more values than that takes a third of the writing,
mostly to find out that a dictionary does not pay. LZ4 makes files an eighth larger than Snappy, sooner."""

ROW = "file_row_number"
"""Column of `StagedFile.rows` that tells each from all others."""

LAST_FIRST = f"line DESC, {ROW} DESC"
"""How to sort `StagedFile.rows` by where they stood in their source file. Those of one line follow each other
there; of others, no join and no thread keeps the order for certain."""

_GUESSING_OPTIMIZERS = ("join_order", "build_side_probe_side")
"""DuckDB takes a stream, whose length nobody knows, for one row. These would make the hash table of a join of
all its records, which would take most of the time and memory of an intake."""

_COMPARING_OPTIMIZER = "common_subexpressions"
"""It compares what is made of each column with all else: 13 s for a catalogue of 400 columns, else 1 s."""


@dataclass(kw_only=True)
class StagedFile:
    """The accepted rows of source files, with the refused ones beside them."""

    table: Table
    """Where the rows belong."""
    path: Path
    num_rows: tuple[int, ...]
    """Of each source file."""
    refused: str
    """Relation of what was refused: `place`, `line`, `reason`, `raw`, `user_id`."""
    common: Mapping[str, str]
    """Value of each column that is the same in all rows, as text; the file does not hold them. `ingested_at`
    is that of the first source file."""
    can_be_taken_over: bool
    """Whether it lies where the lake's own files do; then it is of one source file."""
    is_taken_over: bool = False

    @property
    def rows(self) -> str:
        """Relation of the rows: all columns that a source fills, `place`, and what `LAST_FIRST` sorts by."""
        types = self.table.sql_types
        common = {name: f"{quote(text)}::{types[name]}" for name, text in self.common.items()}
        if self.can_be_taken_over:
            common["place"] = "0"
        elif "ingested_at" in common:
            common["ingested_at"] += " + to_microseconds(place)"
        values = "".join(f", {value} AS {name}" for name, value in common.items())
        options = "hive_partitioning = false, file_row_number = true"
        return f"(SELECT *{values} FROM read_parquet({quote(str(self.path))}, {options}))"

    def take_over(self, connection: DuckDBPyConnection) -> None:
        """Let the file be one of the table's, which has no `line`."""
        connection.execute(
            f"CALL ducklake_add_data_files({quote(LAKE)}, {quote(self.table.name)}, {quote(str(self.path))}, "
            f"schema => {quote(self.table.schema)}, hive_partitioning => true, "
            "ignore_extra_columns => true)"
        )
        self.is_taken_over = True


@contextmanager
def stage(
    lake: Lake,
    connection: DuckDBPyConnection,
    table: Table,
    records: str,
    *,
    common: Mapping[str, str],
    num_files: int = 1,
    is_large: bool,
    newcomers: Newcomers | None = None,
) -> Iterator[StagedFile]:
    """Read records once: the accepted ones into a Parquet file, the refused ones into another.

    Both go with the context, but for a file that the lake took over.

    Args:
        lake: beside whose files they lie.
        connection: a cursor of the lake, in no transaction.
        table: where the rows belong.
        records: relation of `place` (of its source file), `line`, `reason`, `raw` and the table's staged
            columns, read as it is queried.
        common: value of each column that is the same in all rows, as text; `ingested_at` of the first file.
        num_files: how many source files there are; a large one is alone.
        is_large: whether the lake shall be able to take the file over; in an object store it never can.
        newcomers: gives users without keys some; by default all have keys, and records of others are left
            out.

    Raises:
        LakeError: if the disk is full or cannot be written.
    """
    folder = _place(lake, table, common) if is_large and not lake.storage else None
    with lake.explain_failures():
        (folder or lake.spill).mkdir(parents=True, exist_ok=True)
        lake.spill.mkdir(parents=True, exist_ok=True)
    path = (folder or lake.spill) / f"{uuid.uuid4()}.parquet"
    refused = RefusedRecords(connection, lake.spill)
    staged = None
    try:
        with lake.explain_failures():
            accepted = _accepted(table, records, refused, newcomers, with_places=folder is None)
            staged = StagedFile(
                table=table,
                path=path,
                num_rows=_write(connection, table, path, accepted, num_files),
                refused=refused.finish(),
                common=common,
                can_be_taken_over=folder is not None,
            )
        yield staged
    finally:
        refused.close()
        if staged is None or not staged.is_taken_over:
            path.unlink(missing_ok=True)


def _accepted(
    table: Table, records: str, refused: RefusedRecords, newcomers: Newcomers | None, *, with_places: bool
) -> str:
    """SQL of the accepted rows as they are stored, with keys in the place of users' ids."""
    user_id = "user_id" if "user_id" in table.staged else "NULL"
    # A column that is not the same twice stays where it is: DuckDB would write out the plain condition
    # under all projections, with every cast as often as a rule looks at the value.
    kept = f"(SELECT *, {refused.is_accepted(user_id)} AS is_accepted FROM ({records}))"
    order = ["place", "line"] if with_places else ["line"]
    columns = ", ".join([*(name for name in table.stored if name != "source"), *order])
    if "user_id" not in table.staged:
        return f"SELECT {columns} FROM {kept} WHERE is_accepted"
    if newcomers is None:
        return f"SELECT {columns} FROM {kept} JOIN {USERS.qualified_name} USING (user_id) WHERE is_accepted"
    known = f"LEFT JOIN {USERS.qualified_name} AS known USING (user_id) WHERE is_accepted"
    user_key = newcomers.key_sql("known.user_key", "user_id")
    return f"SELECT {columns} FROM (SELECT * REPLACE ({user_key} AS user_key) FROM {kept} {known})"


def _write(
    connection: DuckDBPyConnection, table: Table, path: Path, rows: str, num_files: int
) -> tuple[int, ...]:
    """Write the file; return how many rows it has of each source file."""
    also = (_COMPARING_OPTIMIZER,) if table is ITEMS else ()
    with _joins_as_written(connection, also):
        written = connection.execute(f"COPY ({rows}) TO {quote(str(path))} ({PARQUET_OPTIONS})").fetchall()
    if num_files == 1:
        return (int(written[0][0]),)
    counted = f"SELECT place, count(*) FROM read_parquet({quote(str(path))}) GROUP BY place"
    num_rows = dict(connection.execute(counted).fetchall())
    return tuple(num_rows.get(place, 0) for place in range(num_files))


@contextmanager
def _joins_as_written(connection: DuckDBPyConnection, also: tuple[str, ...] = ()) -> Iterator[None]:
    """Let a query stream the left sides of its joins, and make hash tables of the right ones.

    Args:
        connection: that runs it.
        also: other optimizers to do without.
    """
    disabled = ",".join([*_GUESSING_OPTIMIZERS, *also])
    connection.execute(f"SET disabled_optimizers = {quote(disabled)}")
    try:
        yield
    finally:
        connection.execute("RESET disabled_optimizers")


def _place(lake: Lake, table: Table, common: Mapping[str, str]) -> Path | None:
    """Name the folder of files whose rows have these values; None if such a name would be too long."""
    parts = [_name(column, value) for column, value in common.items()]
    if any(len(part) > LONGEST_NAME for part in parts):
        return None
    return Path(lake.data).joinpath(table.schema, table.name, *parts)


def _name(column: str, value: str) -> str:
    """Name the folder of all rows with a value: every byte is encoded, since a bare `null` would be NULL."""
    return f"{column}=" + "".join(f"%{byte:02X}" for byte in value.encode())
