"""Recommendation lists, in CSV, JSON lines or Parquet: the pictures wanted tonight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from feature_store.schemas import Rule
from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.sources.file_search import find_files, record_format

_ROLES = ("user_id", "item_id", "rank", "score")
# A list without any rank is ordered by score; equal scores by item, so that a rerun gives the same order.
_RANK_SQL = """CASE WHEN count(rank) OVER (PARTITION BY user_id) > 0 THEN rank
    WHEN defect IS NULL AND isfinite(score) THEN row_number() OVER (
        PARTITION BY user_id, defect IS NULL AND isfinite(score) ORDER BY score DESC, item_id) END"""


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """Targets from the recommendation lists of another system.

    Where none of a user's rows has a rank, the order of their scores gives it, the highest being first.

    Raises:
        ValueError: if the settings name an unknown column or format.
    """

    path: Path
    """A file, a folder or a glob pattern."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Names in the file of `user_id`, `item_id`, `rank` and `score`, where they are others."""
    format: str = "csv"
    """`csv`, `tsv`, `jsonl` or `parquet`."""
    delimiter: str | None = None
    source: str = "recommendations"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.columns) - set(_ROLES))
        if unknown:
            raise ValueError(f"columns of {self.source}: {unknown} unknown. Map any of {', '.join(_ROLES)}.")
        record_format(self.format, delimiter=self.delimiter)

    def files(self) -> tuple[SourceFile, ...]:
        """The files of the lists; a user's list must be in one file.

        Raises:
            SourceFileError: if there are none.
        """
        file_format = record_format(self.format, delimiter=self.delimiter)
        return tuple(
            SourceFile(
                path=path,
                name=name,
                source=self.source,
                table="targets",
                format=file_format,
                columns=self._file_columns,
                staged={role: role for role in _ROLES} | {"rank": _RANK_SQL, "as_of": "NULL"},
                rules=(Rule("rank is not a whole number", "rank <> floor(rank) OR abs(rank) > 1e9"),),
            )
            for name, path in find_files(self.path, file_format.suffixes).items()
        )

    @property
    def _file_columns(self) -> tuple[FileColumn, ...]:
        types = {"rank": "DOUBLE", "score": "DOUBLE"}
        return tuple(
            FileColumn(
                role, self.columns.get(role, role), types.get(role, "VARCHAR"), required=self._needs(role)
            )
            for role in _ROLES
        )

    def _needs(self, role: str) -> bool:
        return role in self.columns or role in ("user_id", "item_id")
