"""One file of a source, mapped onto one lake table by DuckDB."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import duckdb

from feature_store.schemas import INTERACTIONS, ITEMS, TARGETS, Rule, Table
from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_text import DelimitedText
from recsys_adapters.formats.packed_bytes import check_unpacks
from recsys_adapters.formats.record_format import FileColumn, FileRecords, RecordFormat
from recsys_adapters.records.alike_files import AlikeFiles, without_constant
from recsys_adapters.records.event_times import time_defect_sql
from recsys_adapters.records.plain_texts import register_plain_text
from recsys_adapters.records.plain_values import NULL_WORDS, id_defect_sql, id_sql, value_sql
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text
from recsys_adapters.records.unnesting import Unnesting

T = TypeVar("T")
_TABLES = {table.name: table for table in (INTERACTIONS, ITEMS, TARGETS)}
_MOST_NAMES = 40
_TYPE_WORDS = {"DOUBLE": "a number", "BIGINT": "a whole number", "TIMESTAMPTZ": "a time"}


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file, how to read it and what its records mean.

    Every record is accepted or refused, whatever is wrong with it or with its neighbours.
    """

    path: Path
    """The file on disk."""
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
    member: str | None = None
    """The path inside the file, where it is an archive."""
    num_bytes: int | None = None
    """How many bytes of the file count, where more may be added while it is read; none: all."""
    null_words: tuple[str, ...] = NULL_WORDS
    """What stands for nothing in any column."""
    decimal: str = "."
    """What parts the whole from the fraction in a number."""
    id_space: str = ""
    """Set before the ids of items, with a colon between, so that they are no other source's."""
    unnesting: Unnesting | None = None
    """The list of each record that is made into records of its own."""
    parallel: tuple[str, ...] = ()
    """Roles of lists beside that one, as long as it."""
    notes: tuple[str, ...] = ()
    """What was understood without being told, for whoever wrote the settings."""
    left_aside: tuple[str, ...] = ()
    """What of the source is not read tonight, told with its first file."""
    fault: str | None = None
    """Why the file cannot be read at all, if that is known already."""

    def __post_init__(self) -> None:
        # Thousands of files differ in their paths alone: what they have in common is kept once.
        object.__setattr__(self, "columns", _once(self.columns))
        object.__setattr__(self, "rules", _once(self.rules))
        object.__setattr__(self, "staged", _mapping_once(tuple(self.staged.items())))

    @property
    def is_supplement(self) -> bool:
        """Whether its items have no titles of their own, but those that other catalogues gave them."""
        return self.table == "items" and self.staged["title"] == "NULL"

    @cached_property
    def reading(self) -> str:
        """Digest of how the file is read: the same content read otherwise is another delivery.

        What its folders tell of its records counts, and its own name does not.
        """
        columns = tuple(without_constant(c) if c.constant == self.name else c for c in self.columns)
        how = (
            self.format, columns, sorted(self.staged.items()), self.rules, self.member, self.null_words,
            self.decimal, self.id_space, self.unnesting, self.parallel,
        )  # fmt: skip
        return hashlib.md5(repr(how).encode(), usedforsecurity=False).hexdigest()

    def up_to(self, num_bytes: int) -> "SourceFile":
        """The file as far as it is written by now."""
        return replace(self, num_bytes=num_bytes)

    @property
    def mapping(self) -> object:
        """How its records are read, whatever its path tells of them: files with one mapping are alike."""
        return (
            self.source, self.table, self.format, [without_constant(column) for column in self.columns],
            self.staged, self.rules, self.null_words, self.decimal, self.id_space, self.unnesting,
            self.parallel,
        )  # fmt: skip

    @property
    def user_columns(self) -> tuple[FileColumn, ...]:
        """The column that names users, if there is one."""
        return tuple(column for column in self.columns if column.role == "user_id")

    def examine(self) -> AlikeFiles:
        """Look at the file as a whole, before a record is read.

        Raises:
            SourceFileError: if the file lacks a column or is not of its format.
        """
        self._check()
        named = self.user_columns
        return AlikeFiles(
            files=(self,),
            found=(self._read(self.columns),),
            named=(self._read(named),) if named else (),
        )

    def records_sql(self, connection: duckdb.DuckDBPyConnection, records: str) -> str:
        """SQL of what the records are made into, see `AlikeFiles.records`.

        Args:
            connection: that is to run it.
            records: SQL of the records with each column as a text.
        """
        if self.table == "items":
            register_plain_text(connection)
        values = {"source": quoted_text(self.source), **self.staged}
        types = self._table.staged_types
        staged = ", ".join(f"TRY_CAST({values[name]} AS {types[name]}) AS {name}" for name in types)
        return f"""
            SELECT place, line, reason, {", ".join(map(_kept_value, types))},
                CASE WHEN reason IS NOT NULL THEN replace(rtrim(raw, chr(10)), chr(0), '\\x00') END AS raw
            FROM (SELECT *, {_defect_or_broken(self._table.rules)} AS reason
                FROM (SELECT place, line, raw, {staged},
                        {_defect_or_broken(self.rules)} AS defect
                    FROM ({self._typed_sql(records)})))"""

    def users_sql(self, records: str) -> str:
        """SQL of the ids of the users, from that of the records with the column that names them."""
        user_id = self._cleaned(self.user_columns[0])
        named = f"SELECT place, is_plain, {user_id} AS user_id FROM ({records})"
        is_somebody = "user_id <> '' AND (is_plain OR NOT contains(user_id, chr(0)))"
        return f"SELECT place, user_id FROM ({named}) WHERE {is_somebody}"

    @cached_property
    def _table(self) -> Table:
        return _TABLES[self.table]

    @property
    def _place(self) -> Path:
        return self.path / self.member if self.member else self.path

    def _check(self) -> None:
        """Look at the file as a whole, before a record is read."""
        if self.fault:
            raise SourceFileError(self.fault)
        check_unpacks(self._place, self.num_bytes)
        read = [column for column in self._from_file(self.columns) if column.required]
        layout = self.format.layout(self._place, [column.name for column in read])
        names = layout.names
        missing = [
            column.name
            for column in read
            if names and column.name not in names and not self.format.has_column(self._place, column.name)
        ]
        if missing:
            what = f"{self.name} ({self.source}) has no column {', '.join(map(repr, missing))}"
            if _is_record(names) and isinstance(self.format, DelimitedText):
                raise SourceFileError(
                    f"{what}. Its first line looks like a record, not like names: set header = false "
                    f"and names = [...], for {len(names)} columns{_hint(missing, names)}."
                )
            raise SourceFileError(
                f"{what}; {_told(names)}. Name the right one in the settings, "
                f"or correct the file.{_hint(missing, names)}{_list_hint(layout.lists, missing)}"
            )

    def _from_file(self, columns: Sequence[FileColumn]) -> tuple[FileColumn, ...]:
        """The columns that the file itself has to have."""
        read = tuple(column for column in columns if column.constant is None)
        return self.unnesting.read_columns(read) if self.unnesting else read

    def _read(self, columns: Sequence[FileColumn]) -> FileRecords:
        """The records with each column that the file itself has as a text."""
        read = [column for column in columns if column.constant is None]
        records = self.format.records(self._place, self._from_file(read))
        if self.num_bytes is not None:
            records = replace(records, stream=records.stream.up_to(self.num_bytes))
        if self.unnesting:
            return replace(records, sql=self.unnesting.sql(records.sql, read, self.parallel))
        return records

    def _typed_sql(self, records: str) -> str:
        """The records with each text cast to its column's type; a failed cast is a defect."""
        typed = [column for column in self.columns if column.sql_type != "VARCHAR"]
        texts = [column for column in self.columns if column.sql_type == "VARCHAR"]
        ids = [column for column in self.columns if column.is_id]
        cleaned = ", ".join(f"{self._cleaned(c)} AS {quoted_name(_clean(c))}" for c in self.columns)
        values = "".join(
            f", TRY_CAST({self._number(c)} AS {c.sql_type}) AS {quoted_name(_typed(c))}" for c in typed
        )
        roles = [f"{quoted_name(_typed(c))} AS {quoted_name(c.role)}" for c in typed]
        roles += [f"{quoted_name(_clean(c))} AS {quoted_name(c.role)}" for c in texts]
        times = [column for column in self.columns if column.role == "event_time"]
        misfit, not_plain = _first_misfit(typed), _first_not_plain(texts, ids, times, self.decimal)
        position = ", position, is_listed, has_parallel" if self.unnesting else ""
        return f"""
            SELECT place, line, raw{position}, {", ".join(roles)},
                CASE WHEN defect IS NOT NULL THEN defect WHEN is_plain THEN {misfit}
                    ELSE coalesce({not_plain}, {misfit}) END AS defect
            FROM (SELECT *{values} FROM (SELECT *, {cleaned} FROM ({records})))"""

    def _cleaned(self, column: FileColumn) -> str:
        text = quoted_name(column.role)
        if not column.is_id:
            return value_sql(text, self.null_words)
        space = f"{self.id_space}:" if self.id_space and column.role == "item_id" else ""
        return id_sql(text, self.null_words, prefix=space, decimal=self.decimal)

    def _number(self, column: FileColumn) -> str:
        text = quoted_name(_clean(column))
        if self.decimal == ".":
            return text
        thousands = "." if self.decimal == "," else ","
        in_threes = quoted_text(rf"[-+]?[0-9]{{1,3}}(?:\{thousands}[0-9]{{3}})+(?:\{self.decimal}[0-9]*)?")
        # What does not part thousands is left, so that 4.5 is not taken for 45 where the comma is decimal,
        # nor the 4.125 of a format with numbers of its own for 4125.
        is_grouped = f"regexp_full_match({text}, {in_threes})"
        if not isinstance(self.format, DelimitedText):
            is_grouped += f" AND contains({text}, {quoted_text(self.decimal)})"
        ungrouped = f"CASE WHEN {is_grouped} THEN replace({text}, '{thousands}', '') ELSE {text} END"
        return f"replace({ungrouped}, {quoted_text(self.decimal)}, '.')"


@lru_cache(maxsize=1024)
def _once(values: T) -> T:
    """The values, the same object for equal ones."""
    return values


@lru_cache(maxsize=1024)
def _mapping_once(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return dict(items)


def _defect_or_broken(rules: tuple[Rule, ...]) -> str:
    """SQL of the defect, or of the first broken rule's reason, NULL if none is broken."""
    # A coalesce would write NULL record by record, and with it each condition that asks for it later.
    cases = " ".join(f"WHEN {rule.broken} THEN {quoted_text(rule.reason)}" for rule in rules)
    return f"CASE WHEN defect IS NOT NULL THEN defect {cases} END"


def _kept_value(name: str) -> str:
    """SQL of a staged column: a text with a NUL character names nobody, and no query could look it up."""
    is_nobody = "reason IS NOT NULL AND contains(user_id, chr(0))"
    return f"CASE WHEN {is_nobody} THEN NULL ELSE user_id END AS user_id" if name == "user_id" else name


def _clean(column: FileColumn) -> str:
    return f"clean {column.role}"


def _typed(column: FileColumn) -> str:
    return f"typed {column.role}"


def _first_not_plain(
    texts: Sequence[FileColumn], ids: Sequence[FileColumn], times: Sequence[FileColumn], decimal: str
) -> str:
    """SQL of reasons to refuse a record: a NUL character, ids or times that are none any more; else NULLs."""
    cases = " ".join(
        f"WHEN contains({quoted_name(c.role)}, chr(0)) THEN {quoted_text(f'{c.name} has a NUL character')}"
        for c in texts
    )
    reasons = [f"CASE {cases} END"] if cases else []
    reasons += [id_defect_sql(quoted_name(c.role), c.name, decimal=decimal) for c in ids]
    reasons += [time_defect_sql(quoted_name(c.role)) for c in times]
    return ", ".join([*reasons, "NULL"])


def _first_misfit(columns: Sequence[FileColumn]) -> str:
    """SQL of the reason to refuse a record for a text that is not of its column's type, else NULL."""
    cases = " ".join(
        f"WHEN {quoted_name(_clean(c))} IS NOT NULL AND {quoted_name(_typed(c))} IS NULL "
        f"THEN {quoted_text(f'{c.name} is not {_TYPE_WORDS[c.sql_type]}')}"
        for c in columns
    )
    return f"CASE {cases} END" if columns else "NULL"


def _hint(missing: Sequence[str], names: Sequence[str]) -> str:
    """What the file's first line may be instead of a header that has the columns."""
    folded = {name.strip().casefold(): name for name in names}
    others = [folded[name.casefold()] for name in missing if name.casefold() in folded]
    if others:
        return f" It writes {', '.join(map(repr, others))}."
    first = names[0]
    for delimiter in (";", "\t", "|", ",", "::", "\x01"):
        if len(names) == 1 and delimiter in first and all(name in first for name in missing):
            return f" Its values seem to be parted by {delimiter!r}: set delimiter = {delimiter!r}."
    if any(name.startswith("'") and name.endswith("'") for name in names):
        return ' Its values stand in single quotes: set quote = "\'".'
    return ""


def _list_hint(lists: Sequence[str], missing: Sequence[str]) -> str:
    """That the records may be inside of a list of the only record."""
    if not lists or _is_record(lists):
        return ""
    return (
        f' Its records may be in the list "{lists[0]}": set unnest = "{lists[0]}", '
        f'and name columns by their path, such as "{lists[0]}.{missing[0]}".'
    )


def _told(names: Sequence[str]) -> str:
    """What columns there are, unless their names are somebody's, as keys of an object of users are."""
    if _is_record(names):
        return f"it has {len(names):,} others, which look like values"
    more = len(names) - _MOST_NAMES
    some = ", ".join(map(repr, names[:_MOST_NAMES]))
    return f"its columns are {some}" + (f" and {more:,} others" if more > 0 else "")


def _is_record(names: Sequence[str]) -> bool:
    """Whether a first line has values, which are somebody's, where names of columns are wanted."""
    return any(name[:1].isdigit() or any(mark in name for mark in "@:{}[]") for name in names)
