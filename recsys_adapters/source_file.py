"""One file of a source, mapped onto one lake table by DuckDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from feature_store.schemas import INTERACTIONS, ITEMS, TARGETS, Rule, Table
from recsys_adapters.errors import SourceFileError
from recsys_adapters.file_lines import check_unpacks
from recsys_adapters.record_format import FileColumn, RecordFormat
from recsys_adapters.sql_quoting import quoted_name, quoted_text

_TABLES = {table.name: table for table in (INTERACTIONS, ITEMS, TARGETS)}
_TYPE_WORDS = {"DOUBLE": "a number", "BIGINT": "a whole number", "TIMESTAMPTZ": "a time"}


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file, how to read it and what its records mean.

    Every record ends in exactly one of two relations, whatever is wrong with it or with its neighbours.
    """

    path: Path
    name: str
    """What the lake calls the file."""
    source: str
    table: str
    """`interactions`, `items` or `targets`."""
    format: RecordFormat
    columns: tuple[FileColumn, ...]
    """What to read from the file."""
    staged: Mapping[str, str]
    """SQL of each staged column of the table over the columns' roles (and `line`)."""
    rules: tuple[Rule, ...] = ()
    """The source's own reasons to refuse a record, over the roles; the table's rules follow."""

    def stage(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Leave `staged_rows` and `staged_rejects`, temporary views; they replace those of the file before.

        `staged_rows` has the table's staged columns, in their types, of all records that break no rule.
        `staged_rejects` has `line` (BIGINT, from 1), `reason` and `raw` (VARCHAR) of all others.
        Times without a zone are read in the connection's zone: `SET TimeZone = 'UTC'` belongs before this.
        The connection must not be inside a transaction, which a reader that gives up would end.

        Raises:
            SourceFileError: if the file lacks a column or is not of its format.
        """
        check_unpacks(self.path)
        self._check_columns()
        clean = self.format.clean_records(self.path, self.columns)
        if clean is None or not self._is_clean(connection, clean.sql, clean.num_records):
            with self.format.records(connection, self.path, self.columns) as records:
                self._grade(connection, self._typed(records))
        self._create_views(connection, "staged_records")

    def view(self, connection: duckdb.DuckDBPyConnection) -> int | None:
        """Leave `staged_rows` as a view over the file itself, which is read whenever the view is.

        For large files, which are then written once only. `staged_rejects` shows what is refused.

        Returns:
            The number of records in the file. If fewer rows come out of the view, or reading it fails, the
            file has flaws: `stage` it. None if it cannot be read like this.

        Raises:
            SourceFileError: if the file lacks a column or is not of its format.
        """
        check_unpacks(self.path)
        self._check_columns()
        clean = self.format.clean_records(self.path, self.columns)
        if clean is None:
            return None
        self._drop_views(connection)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW graded_records AS {self._graded_sql(clean.sql)}")
        self._create_views(connection, "graded_records")
        return clean.num_records

    @cached_property
    def _table(self) -> Table:
        return _TABLES[self.table]

    def _check_columns(self) -> None:
        names = self.format.column_names(self.path)
        missing = [column.name for column in self.columns if column.required and column.name not in names]
        if names and missing:
            raise SourceFileError(
                f"{self.name} ({self.source}) has no column {', '.join(map(repr, missing))}; its columns are "
                f"{', '.join(map(repr, names))}. Name the right one in the settings, or correct the file."
            )

    def _is_clean(self, connection: duckdb.DuckDBPyConnection, records: str, num_records: int) -> bool:
        """Grade the fast reading and tell whether it accepted every record; it ends at the first misfit."""
        try:
            self._grade(connection, records)
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            return False
        accepted = connection.sql("SELECT count(*) FROM staged_records WHERE reason IS NULL").fetchall()
        return bool(accepted[0][0] == num_records)

    def _typed(self, records: str) -> str:
        """The records with each text cast to its column's type; a failed cast is a defect."""
        defects = " ".join(_value_defect(column) for column in self.columns)
        values = ", ".join(
            f"TRY_CAST({quoted_name(c.role)} AS {c.sql_type}) AS {quoted_name(c.role)}" for c in self.columns
        )
        return f"SELECT line, raw, coalesce(defect, CASE {defects} END) AS defect, {values} FROM ({records})"

    def _grade(self, connection: duckdb.DuckDBPyConnection, records: str) -> None:
        """Write `staged_records`: the staged columns, and why a record is refused."""
        self._drop_views(connection)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged_records AS {self._graded_sql(records)}")

    def _graded_sql(self, records: str) -> str:
        types = {column.name: column.sql_type for column in self._table.columns}
        staged = ", ".join(f"TRY_CAST({self.staged[n]} AS {types[n]}) AS {n}" for n in self._table.staged)
        return f"""
            SELECT line, reason, {", ".join(self._table.staged)},
                CASE WHEN reason IS NOT NULL THEN replace(raw, chr(0), '\\x00') END AS raw
            FROM (SELECT *, coalesce(defect, {_first_broken(self._table.rules)}) AS reason
                FROM (SELECT line, raw, coalesce(defect, {_first_broken(self.rules)}) AS defect, {staged}
                    FROM ({records})))"""

    def _drop_views(self, connection: duckdb.DuckDBPyConnection) -> None:
        for name in ("staged_rows", "staged_rejects", "graded_records"):
            connection.execute(f"DROP VIEW IF EXISTS temp.{name}")

    def _create_views(self, connection: duckdb.DuckDBPyConnection, records: str) -> None:
        columns = ", ".join(self._table.staged)
        connection.execute(f"""
            CREATE OR REPLACE TEMP VIEW staged_rows AS
            SELECT {columns} FROM {records} WHERE reason IS NULL""")
        connection.execute(f"""
            CREATE OR REPLACE TEMP VIEW staged_rejects AS
            SELECT line, reason, raw FROM {records} WHERE reason IS NOT NULL""")


def _first_broken(rules: tuple[Rule, ...]) -> str:
    """SQL of the first broken rule's reason, NULL if none is broken."""
    cases = " ".join(f"WHEN {rule.broken} THEN {quoted_text(rule.reason)}" for rule in rules)
    return f"CASE {cases} END" if cases else "NULL"


def _value_defect(column: FileColumn) -> str:
    """SQL that gives the reason why a text does not suit its column."""
    value = quoted_name(column.role)
    if column.sql_type == "VARCHAR":
        return f"WHEN contains({value}, chr(0)) THEN {quoted_text(f'{column.name} has a NUL character')}"
    reason = quoted_text(f"{column.name} is not {_TYPE_WORDS[column.sql_type]}")
    return f"WHEN {value} IS NOT NULL AND TRY_CAST({value} AS {column.sql_type}) IS NULL THEN {reason}"
