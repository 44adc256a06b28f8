"""Recommendation lists, in CSV, JSON or Parquet: the pictures wanted tonight."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from feature_store.schemas import Rule
from recsys_adapters.formats.record_format import FileColumn, Layout
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.records.unnesting import Unnesting
from recsys_adapters.sources.file_search import FoundFile, named_days
from recsys_adapters.sources.file_source import FileSource, check_roles

_ROLES = ("user_id", "item_id", "rank", "score")


@dataclass(frozen=True, kw_only=True)
class Recommendations(FileSource):
    """Targets from the recommendation lists of another system.

    All files together are one delivery, which takes the place of the one before; where files are named after
    days, those of the last day. A user's items are in the order of their ranks, from whichever number on;
    where there are none, in that of their scores, the highest first, or of the list that holds them. An item
    that a user's list has twice has the best of its places.

    Raises:
        ValueError: if the settings name an unknown column or format.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    """Names in the file of `user_id`, `item_id`, `rank` and `score`, where they are others. `item_id` may be
    a list of a user's items, with `score` a list beside it."""
    source: str = "recommendations"
    """What the lake calls the source."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_roles(self.source, self.columns, needed=(), optional=_ROLES)

    def files(self) -> tuple[SourceFile, ...]:
        """The files of the lists, all of one delivery.

        Raises:
            SourceFileError: if there are none.
        """
        search = self.search()
        last_day = max((_day(file) for file in search.files), default="")
        delivered = [file for file in search.files if _day(file) == last_day]
        notes = search.notes
        dayless = [file.name for file in search.files if last_day and not _day(file)]
        num_before = len(search.files) - len(delivered) - len(dayless)
        if num_before:
            notes += (f"{num_before} files of {self.source} are of days before the last",)
        if dayless:
            notes += (
                f"{len(dayless)} files of {self.source} are not read, for others are named after days, and "
                f"they are not: {', '.join(dayless[:3])}. Name them after one, or the others by a pattern",
            )
        files = [self._file(file) for file in delivered]
        files[:1] = [replace(file, left_aside=notes) for file in files[:1]]
        return tuple(files)

    def _file(self, file: FoundFile) -> SourceFile:
        layout, fault = self.look_at(file, [self._name("user_id"), self._name("item_id")])
        columns = tuple(self._column(role, file, layout) for role in _ROLES)
        return SourceFile(
            path=file.path,
            name=file.name,
            member=file.member,
            source=self.source,
            table="targets",
            format=self.file_format,
            columns=(*columns, *self.limit_columns),
            staged={role: role for role in _ROLES} | {"rank": self._rank_sql, "as_of": "NULL"},
            rules=(
                *self.limit_rules,
                Rule("rank is not a whole number", "rank <> floor(rank) OR NOT isfinite(rank)"),
                Rule("rank is beyond 1,000,000,000", "abs(rank) > 1e9"),
                Rule("score is not finite", "score IS NOT NULL AND NOT isfinite(score)"),
            ),
            null_words=self.null_values,
            decimal=self.decimal,
            id_space=self.id_space,
            unnesting=self.unnesting or Unnesting(column=self._name("item_id"), separator=self.separator),
            parallel=("score",),
            notes=layout.notes,
            fault=fault,
        )

    @property
    def _rank_sql(self) -> str:
        """SQL of the rank; without one, or a score, it is the place in a list."""
        # What the settings name as a list is one, also if it is a lone value.
        is_listed = "true" if self.unnest else "is_listed"
        by_place = f"score IS NULL AND {is_listed} AND NOT has_parallel"
        return f"coalesce(rank, CASE WHEN {by_place} THEN position END)"

    def _name(self, role: str) -> str:
        return self.columns.get(role, role)

    def _column(self, role: str, file: FoundFile, layout: Layout) -> FileColumn:
        types = {"rank": "DOUBLE", "score": "DOUBLE"}
        column = FileColumn(
            role,
            self._name(role),
            types.get(role, "VARCHAR"),
            required=role in self.columns or role in ("user_id", "item_id"),
            is_id=role in ("user_id", "item_id"),
        )
        return self.placed(column, file, layout)


def _day(file: FoundFile) -> str:
    """The last day that a file's name or folder has, as ISO 8601 writes it; empty for one without."""
    return max((str(day) for day in named_days(file.name)), default="")
