"""One file of a source, mapped onto one lake table by DuckDB."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from feature_store.schemas import INTERACTIONS, ITEMS, TARGETS, Rule, Table
from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.file_lines import check_unpacks
from recsys_adapters.formats.record_format import FileColumn, RecordFormat
from recsys_adapters.records.refused_records import RefusedRecords
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

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
    """SQL of each staged column of the table, but for `source`, over the columns' roles (and `line`)."""
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
        self._drop_views(connection)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged_records AS {self._graded_sql(connection)}")
        self._create_view(connection, "staged_rows", self._table.staged, "staged_records", "reason IS NULL")
        rejects = ("line", "reason", "raw")
        self._create_view(connection, "staged_rejects", rejects, "staged_records", "reason IS NOT NULL")

    @contextmanager
    def view(self, connection: duckdb.DuckDBPyConnection) -> Iterator[RefusedRecords]:
        """Let `staged_rows` be a view over the file itself inside the context.

        For large files, whose good rows then need to be written only once. Each query of the view reads the
        file.

        Yields:
            What the query refused.

        Raises:
            SourceFileError: if the file lacks a column or is not of its format.
        """
        graded = self._graded_sql(connection)
        refused = RefusedRecords(connection)
        # A column that is not the same twice stays where it is: DuckDB would write out the plain condition
        # under all projections, with every cast as often as a rule looks at the value.
        kept = f"(SELECT *, {refused.condition} AS is_good FROM ({graded}))"
        self._drop_views(connection)
        self._create_view(connection, "staged_rows", self._table.staged, kept, "is_good")
        try:
            yield refused
        finally:
            self._drop_views(connection)
            refused.close()

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

    def _typed_sql(self, records: str) -> str:
        """The records with each text cast to its column's type; a failed cast is a defect."""
        typed = [column for column in self.columns if column.sql_type != "VARCHAR"]
        texts = [column for column in self.columns if column.sql_type == "VARCHAR"]
        values = "".join(
            f", TRY_CAST({quoted_name(c.role)} AS {c.sql_type}) AS {quoted_name(_typed(c))}" for c in typed
        )
        roles = [f"{quoted_name(_typed(c))} AS {quoted_name(c.role)}" for c in typed]
        roles += [quoted_name(c.role) for c in texts]
        return f"""
            SELECT line, raw, {", ".join(roles)},
                coalesce(defect, {_first_nul(texts)}, {_first_misfit(typed)}) AS defect
            FROM (SELECT *{values} FROM ({records}))"""

    def _graded_sql(self, connection: duckdb.DuckDBPyConnection) -> str:
        """The staged columns, and why a record is refused; reads the file whenever it is run."""
        check_unpacks(self.path)
        self._check_columns()
        records = self.format.records(connection, self.path, self.columns)
        types = {column.name: column.sql_type for column in self._table.columns}
        values = {"source": quoted_text(self.source), **self.staged}
        staged = ", ".join(f"TRY_CAST({values[n]} AS {types[n]}) AS {n}" for n in self._table.staged)
        return f"""
            SELECT line, reason, {", ".join(self._table.staged)},
                CASE WHEN reason IS NOT NULL THEN replace(rtrim(raw, chr(10)), chr(0), '\\x00') END AS raw
            FROM (SELECT *, coalesce(defect, {_first_broken(self._table.rules)}) AS reason
                FROM (SELECT line, raw, coalesce(defect, {_first_broken(self.rules)}) AS defect, {staged}
                    FROM ({self._typed_sql(records)})))"""

    def _drop_views(self, connection: duckdb.DuckDBPyConnection) -> None:
        for name in ("staged_rows", "staged_rejects"):
            connection.execute(f"DROP VIEW IF EXISTS temp.{name}")

    def _create_view(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        columns: Sequence[str],
        records: str,
        condition: str,
    ) -> None:
        chosen = f"SELECT {', '.join(columns)} FROM {records} WHERE {condition}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {chosen}")


def _first_broken(rules: tuple[Rule, ...]) -> str:
    """SQL of the first broken rule's reason, NULL if none is broken."""
    cases = " ".join(f"WHEN {rule.broken} THEN {quoted_text(rule.reason)}" for rule in rules)
    return f"CASE {cases} END" if cases else "NULL"


def _typed(column: FileColumn) -> str:
    return f"typed {column.role}"


def _first_nul(columns: Sequence[FileColumn]) -> str:
    """SQL of the reason to refuse a record for a text with a NUL character, else NULL."""
    cases = " ".join(
        f"WHEN contains({quoted_name(c.role)}, chr(0)) THEN {quoted_text(f'{c.name} has a NUL character')}"
        for c in columns
    )
    return f"CASE WHEN is_plain THEN NULL {cases} END"


def _first_misfit(columns: Sequence[FileColumn]) -> str:
    """SQL of the reason to refuse a record for a text that is not of its column's type, else NULL."""
    cases = " ".join(
        f"WHEN {quoted_name(c.role)} IS NOT NULL AND {quoted_name(_typed(c))} IS NULL "
        f"THEN {quoted_text(f'{c.name} is not {_TYPE_WORDS[c.sql_type]}')}"
        for c in columns
    )
    return f"CASE {cases} END" if columns else "NULL"
