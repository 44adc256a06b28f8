"""One file of a source, mapped onto one lake table by DuckDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from feature_store.schemas import INTERACTIONS, ITEMS, TARGETS, Rule, Table
from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.file_lines import check_unpacks
from recsys_adapters.formats.record_format import FileColumn, RecordFormat
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

_TABLES = {table.name: table for table in (INTERACTIONS, ITEMS, TARGETS)}
_TYPE_WORDS = {"DOUBLE": "a number", "BIGINT": "a whole number", "TIMESTAMPTZ": "a time"}


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file, how to read it and what its records mean.

    Every record is accepted or refused, whatever is wrong with it or with its neighbours.
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

    def records(self, connection: duckdb.DuckDBPyConnection) -> str:
        """SQL of all records, which reads the file whenever it is run.

        It has `line` (BIGINT, from 1), `reason` (why the record is refused, else NULL), `raw` (of a refused
        one) and the table's staged columns in their types. What it reads from is registered with the
        connection, in the place of what the file before needed.
        Times without a zone are read in the connection's zone: `SET TimeZone = 'UTC'` belongs before this.

        Raises:
            SourceFileError: if the file lacks a column or is not of its format.
        """
        check_unpacks(self.path)
        self._check_columns()
        records = self.format.records(connection, self.path, self.columns)
        values = {"source": quoted_text(self.source), **self.staged}
        types = self._table.staged_types
        staged = ", ".join(f"TRY_CAST({values[name]} AS {types[name]}) AS {name}" for name in types)
        return f"""
            SELECT line, reason, {", ".join(types)},
                CASE WHEN reason IS NOT NULL THEN replace(rtrim(raw, chr(10)), chr(0), '\\x00') END AS raw
            FROM (SELECT *, coalesce(defect, {_first_broken(self._table.rules)}) AS reason
                FROM (SELECT line, raw, coalesce(defect, {_first_broken(self.rules)}) AS defect, {staged}
                    FROM ({self._typed_sql(records)})))"""

    def users(self, connection: duckdb.DuckDBPyConnection) -> str | None:
        """SQL of the ids of the users that the records name, as `user_id`; None if they name none.

        Only that column is read. Registers like `records`, in whose place it comes.

        Raises:
            SourceFileError: if the file lacks a column or is not of its format.
        """
        named = [column for column in self.columns if column.role == "user_id"]
        if not named:
            return None
        check_unpacks(self.path)
        self._check_columns()
        records = self.format.records(connection, self.path, named)
        return f"SELECT user_id FROM ({records}) WHERE trim(user_id) <> ''"

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
