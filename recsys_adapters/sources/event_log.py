"""Any log of events, in CSV, JSON lines or Parquet, by the names of its columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.event_times import event_time_sql, time_column_type
from recsys_adapters.records.interaction_ids import interaction_id_sql
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.records.sql_quoting import quoted_text
from recsys_adapters.sources.file_search import find_files, record_format

_REQUIRED = ("user_id", "item_id", "event_time")
_OPTIONAL = ("kind", "weight", "event_id")


@dataclass(frozen=True, kw_only=True)
class EventLog:
    """Interactions from the files of a log.

    An interaction's weight is its kind's times that of the weight column, each 1 where there is none.

    Raises:
        ValueError: if the settings name an unknown column, format or way of writing times, or lack a column.
    """

    path: Path
    """A file, a folder or a glob pattern."""
    columns: Mapping[str, str]
    """Name in the file of `user_id`, `item_id`, `event_time`; optionally of `kind`, `weight`, `event_id`."""
    format: str = "csv"
    """`csv`, `tsv`, `jsonl` or `parquet`."""
    delimiter: str | None = None
    time_format: str = "seconds"
    """`seconds`, `milliseconds` (since 1970), `iso8601` or a pattern of strptime."""
    kinds: Mapping[str, float] = field(default_factory=dict)
    """Weight of each kind of event; an event of another kind is refused. Empty: every kind weighs 1."""
    default_kind: str = "event"
    """Kind of all events where no column tells it."""
    source: str = "event_log"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.columns) - {*_REQUIRED, *_OPTIONAL})
        missing = [role for role in _REQUIRED if role not in self.columns]
        if unknown or missing:
            raise ValueError(
                f"columns of {self.source}: {unknown} unknown, {missing} missing. "
                f"Map {', '.join(_REQUIRED)} and, if the log has them, {', '.join(_OPTIONAL)}."
            )
        time_column_type(self.time_format)
        record_format(self.format, delimiter=self.delimiter)

    def files(self) -> tuple[SourceFile, ...]:
        """The log's files.

        Raises:
            SourceFileError: if there are none.
        """
        file_format = record_format(self.format, delimiter=self.delimiter)
        return tuple(
            SourceFile(
                path=path,
                name=name,
                source=self.source,
                table="interactions",
                format=file_format,
                columns=self._file_columns,
                staged=self._staged,
            )
            for name, path in find_files(self.path, file_format.suffixes).items()
        )

    @cached_property
    def _file_columns(self) -> tuple[FileColumn, ...]:
        types = {"event_time": time_column_type(self.time_format), "weight": "DOUBLE"}
        return tuple(
            FileColumn(role, name, types.get(role, "VARCHAR")) for role, name in self.columns.items()
        )

    @cached_property
    def _staged(self) -> Mapping[str, str]:
        event_time = event_time_sql("event_time", self.time_format)
        kind = "kind" if "kind" in self.columns else quoted_text(self.default_kind)
        event_id = "event_id" if "event_id" in self.columns else None
        return {
            "interaction_id": interaction_id_sql(event_time=event_time, kind=kind, event_id=event_id),
            "user_id": "user_id",
            "item_id": "item_id",
            "event_time": event_time,
            "kind": kind,
            "weight": self._weight_sql(kind),
        }

    def _weight_sql(self, kind: str) -> str:
        own = "weight" if "weight" in self.columns else "1.0"
        if not self.kinds:
            return own
        cases = " ".join(
            f"WHEN {quoted_text(name)} THEN {float(weight)!r}" for name, weight in self.kinds.items()
        )
        return f"CASE {kind} {cases} END * {own}"
