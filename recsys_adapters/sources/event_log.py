"""Any log of events, in CSV, JSON or Parquet, by the names of its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Literal

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.record_format import FileColumn, Layout, peek
from recsys_adapters.records.event_times import TimeSpelling, spelling_sql
from recsys_adapters.records.interaction_ids import interaction_id_sql
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text
from recsys_adapters.sources.file_search import FoundFile, named_days
from recsys_adapters.sources.file_source import FileSource, check_finite, check_roles

_REQUIRED = ("user_id", "item_id", "event_time")
_OPTIONAL = ("kind", "weight", "event_id")
_NUM_PROBED = 1000
_ORDER_START = "TIMESTAMPTZ '2000-01-01 00:00:00+00'"
_FILE_NAME, _FILE_DATE = "file name", "file date"
"""Roles of what no record says, but the path of its file."""


@dataclass(frozen=True, kw_only=True)
class EventLog(FileSource):
    """Interactions from the files of a log.

    An interaction's weight is its kind's times that of the weight column, each 1 where there is none.

    Raises:
        ValueError: if the settings name an unknown column, format or way of writing times, or lack a column.
    """

    columns: Mapping[str, str]
    """Name in the file of `user_id`, `item_id`, `event_time`; optionally of `kind`, `weight`, `event_id`. A
    field of a structure is named by its path: `user.id`."""
    time_format: str = "seconds"
    """`seconds`, `milliseconds`, `microseconds` or `nanoseconds` (since 1970), `excel` (days), `iso8601`,
    `auto` (whatever each value looks like) or a pattern of strptime. A Parquet column of times needs none."""
    time_zone: str = "UTC"
    """Zone of times that name none, for example `America/New_York`."""
    time_from: Literal["column", "order", "file"] = "column"
    """`order`: the log has no times, its order stands for them; `file`: the date in a file's name or folder,
    else the day when it was last written, stands for those of its events."""
    earliest: date = date(1990, 1, 1)
    """An event before this day is refused: most likely its time has another unit."""
    latest: date | None = None
    """An event from this day on is refused. One that is more than a day ahead of the clock always is."""
    kinds: Mapping[str, float] = field(default_factory=dict)
    """Weight of each kind of event; an event of another kind is refused. Empty: every kind weighs 1."""
    default_kind: str = "event"
    """Kind of all events where no column tells it."""
    identity: tuple[str, ...] | Literal["none"] = ()
    """Columns that tell an event from all others; `none`: every record is an event of its own. Empty: the
    event's own id, or its user, item, time and kind. Of two records of one event the last counts."""
    source: str = "event_log"
    """What the lake calls the source."""

    def __post_init__(self) -> None:
        super().__post_init__()
        needed = _REQUIRED if self.time_from == "column" else _REQUIRED[:2]
        check_roles(self.source, self.columns, needed=needed, optional=(*_REQUIRED, *_OPTIONAL))
        if self.time_from != "column" and "event_time" in self.columns:
            raise ValueError(
                f'time_from = "{self.time_from}" is for logs without event_time among their columns'
            )
        if self.latest is not None and self.latest <= self.earliest:
            raise ValueError(
                f"latest = {self.latest} is not after earliest = {self.earliest}, so every event would be "
                "refused: change one of them, or leave latest out"
            )
        check_finite("kinds", self.kinds)
        _ = self._spelling

    def files(self) -> tuple[SourceFile, ...]:
        """The log's files.

        Raises:
            SourceFileError: if there are none.
        """
        search = self.search()
        wanted = [self.columns[role] for role in (*_REQUIRED, *_OPTIONAL) if role in self.columns]
        needed = [
            self.columns[role] for role in _REQUIRED if role in self.columns and not self._is_inside(role)
        ]
        looked_at = [(file, *self._look_at(file, wanted, needed)) for file in search.files]
        known = {name for file, layout, _ in looked_at for name in (*layout.names, *file.keys)}
        files = [self._file(file, layout, fault, known) for file, layout, fault in looked_at]
        files[:1] = [replace(file, left_aside=search.notes) for file in files[:1]]
        return tuple(files)

    def _look_at(
        self, file: FoundFile, wanted: Sequence[str], needed: Sequence[str]
    ) -> tuple[Layout, str | None]:
        is_named = [name for name in wanted if name in needed]
        layout, fault = self.look_at(file, wanted if self.format == "parquet" else is_named)
        return layout, fault

    def _is_inside(self, role: str) -> bool:
        """Whether a column is not the file's own, but inside the list that is unnested."""
        return bool(self.unnest) and self.columns[role].startswith(self.unnest)

    def _file(self, file: FoundFile, layout: Layout, fault: str | None, known: set[str]) -> SourceFile:
        columns = [self._column(role, file, layout, known) for role in self.columns]
        absent = [column.name for column in columns if not column.required]
        spelling = self._spelling
        if self.columns.get("event_time") in layout.times:
            spelling = replace(spelling, time_format="iso8601")
            columns = [replace(c, sql_type="VARCHAR") if c.role == "event_time" else c for c in columns]
        notes = layout.notes
        if absent:
            notes += (f"{file.name} has no column {', '.join(absent)} and is read without",)
        made = SourceFile(
            path=file.path,
            name=file.name,
            member=file.member,
            source=self.source,
            table="interactions",
            format=self.file_format,
            columns=(*columns, *self._identity_columns, *self._path_columns(file), *self.limit_columns),
            staged=self._staged(spelling, columns),
            rules=(*self.limit_rules, *(spelling.rules if self.time_from == "column" else ())),
            null_words=self.null_values,
            decimal=self.decimal,
            id_space=self.id_space,
            unnesting=self.unnesting,
            notes=notes,
            fault=fault,
        )
        return self._with_spelling_note(made) if spelling.time_format == "auto" else made

    def _column(self, role: str, file: FoundFile, layout: Layout, known: set[str]) -> FileColumn:
        name = self.columns[role]
        # That another file of the log has the column tells a file of earlier days from a name misspelt.
        is_older = (
            role in _OPTIONAL and bool(layout.names) and name not in layout.names and name in known
            and name not in file.keys
        )  # fmt: skip
        types = {"event_time": self._spelling.column_type, "weight": "DOUBLE"}
        column = FileColumn(
            role, name, types.get(role, "VARCHAR"), required=not is_older,
            is_id=role in ("user_id", "item_id", "event_id"),
        )  # fmt: skip
        return self.placed(column, file, layout)

    @property
    def _identity_columns(self) -> tuple[FileColumn, ...]:
        names = () if self.identity == "none" else self.identity
        return tuple(FileColumn(f"identity {name}", name) for name in names)

    def _path_columns(self, file: FoundFile) -> tuple[FileColumn, ...]:
        told = {_FILE_NAME: file.name} if self.identity == "none" else {}
        if self.time_from == "file":
            told[_FILE_DATE] = str(_file_date(file))
        return tuple(FileColumn(role, role, constant=value) for role, value in told.items())

    @cached_property
    def _spelling(self) -> TimeSpelling:
        return TimeSpelling(
            time_format=self.time_format,
            time_zone=self.time_zone,
            earliest=self.earliest,
            latest=self.latest,
        )

    def _staged(self, spelling: TimeSpelling, columns: Sequence[FileColumn]) -> Mapping[str, str]:
        event_time = self._time_sql(spelling)
        has_kind = any(column.role == "kind" and column.required for column in columns)
        kind = self._kind_sql() if has_kind else quoted_text(self.default_kind)
        return {
            "interaction_id": self._identity_sql(event_time, kind, columns),
            "user_id": "user_id",
            "item_id": "item_id",
            "event_time": event_time,
            "kind": kind,
            "weight": self._weight_sql(kind, columns),
        }

    def _kind_sql(self) -> str:
        """SQL of the kind; a number that became a float is itself again, unless the settings name it so."""
        if any(name.endswith(".0") for name in self.kinds):
            return "kind"
        whole = "ends_with(kind, '.0') AND regexp_full_match(kind, '[0-9]+[.]0')"
        return f"CASE WHEN {whole} THEN left(kind, length(kind) - 2) ELSE kind END"

    def _time_sql(self, spelling: TimeSpelling) -> str:
        if self.time_from == "order":
            return f"{_ORDER_START} + to_seconds(line)"
        if self.time_from == "file":
            return f"CAST({quoted_name(_FILE_DATE)} || ' 00:00:00+00' AS TIMESTAMPTZ)"
        return spelling.sql("event_time")

    def _identity_sql(self, event_time: str, kind: str, columns: Sequence[FileColumn]) -> str:
        if self.identity == "none":
            place = f"{quoted_name(_FILE_NAME)}, line, {'position, ' if self.unnest else ''}"
            values = f"user_id, item_id, epoch_us({event_time}), {kind}"
            return f"'#' || md5(concat_ws(chr(0), {place}{values}))"
        if self.identity:
            values = ", ".join(f"coalesce({quoted_name(c.role)}, '')" for c in self._identity_columns)
            return f"'#' || md5(concat_ws(chr(0), {values}))"
        has_id = any(column.role == "event_id" for column in columns)
        return interaction_id_sql(event_time=event_time, kind=kind, event_id="event_id" if has_id else None)

    def _weight_sql(self, kind: str, columns: Sequence[FileColumn]) -> str:
        has_weight = any(column.role == "weight" and column.required for column in columns)
        own = "weight" if has_weight else "1.0"
        if not self.kinds:
            return own
        cases = " ".join(
            f"WHEN {quoted_text(name)} THEN {float(weight)!r}" for name, weight in self.kinds.items()
        )
        return f"CASE {kind} {cases} END * {own}"

    def _with_spelling_note(self, file: SourceFile) -> SourceFile:
        """Say what `auto` takes the file's first times for."""
        time = next((column for column in file.columns if column.role == "event_time"), None)
        if time is None or file.fault or time.constant is not None or self._is_inside("event_time"):
            return file
        records = self.file_format.records(file.path / file.member if file.member else file.path, [time])
        try:
            spellings = peek(
                records.stream,
                f"SELECT DISTINCT {spelling_sql('event_time')} FROM (SELECT event_time FROM ({records.sql}) "
                f"WHERE event_time <> '' LIMIT {_NUM_PROBED}) ORDER BY 1",
            )
        except SourceFileError as error:
            return replace(file, fault=str(error))
        taken = " and ".join(name for (name,) in spellings) or "nothing"
        return replace(file, notes=(*file.notes, f"{file.name}: times are taken for {taken}"))


def _file_date(file: FoundFile) -> date:
    """The day that a file is of, by its name or folder; else when it was last written."""
    if days := named_days(str(file.place)):
        return days[-1]
    return datetime.fromtimestamp(file.path.stat().st_mtime, UTC).date()
