"""Any catalogue of items, in CSV, JSON lines or Parquet, by the names of its columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys_adapters.formats.record_format import FileColumn, RecordFormat
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text
from recsys_adapters.sources.file_search import find_files, record_format

_REQUIRED = ("item_id", "title")
_OPTIONAL = ("stock_image_uri",)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Items from the files of a catalogue; every column but the id and the picture is a field for templates.

    A field has its column's name in the file, except the title, whose field is `title`.

    Raises:
        ValueError: if the settings name an unknown column or format, or lack a column.
    """

    path: Path
    """A file, a folder or a glob pattern."""
    columns: Mapping[str, str]
    """Name in the file of `item_id`, `title` and, optionally, `stock_image_uri`."""
    format: str = "csv"
    """`csv`, `tsv`, `jsonl` or `parquet`."""
    delimiter: str | None = None
    source: str = "catalogue"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.columns) - {*_REQUIRED, *_OPTIONAL})
        missing = [role for role in _REQUIRED if role not in self.columns]
        if unknown or missing:
            raise ValueError(
                f"columns of {self.source}: {unknown} unknown, {missing} missing. "
                f"Map {', '.join(_REQUIRED)} and, if the catalogue has it, {', '.join(_OPTIONAL)}."
            )
        record_format(self.format, delimiter=self.delimiter)

    def files(self) -> tuple[SourceFile, ...]:
        """The catalogue's files.

        Raises:
            SourceFileError: if there are none.
        """
        file_format = record_format(self.format, delimiter=self.delimiter)
        found = find_files(self.path, file_format.suffixes)
        return tuple(self._file(name, path, file_format) for name, path in found.items())

    def _file(self, name: str, path: Path, file_format: RecordFormat) -> SourceFile:
        mapped = tuple(FileColumn(role, column) for role, column in self.columns.items())
        names = file_format.column_names(path)
        others = [column for column in names if column not in self.columns.values()]
        fields = {"title": "title"} | {column: f"field_{i}" for i, column in enumerate(others)}
        return SourceFile(
            path=path,
            name=name,
            source=self.source,
            table="items",
            format=file_format,
            columns=mapped + tuple(FileColumn(fields[column], column, required=False) for column in others),
            staged={
                "item_id": "item_id",
                "title": "title",
                "fields": _fields_sql(fields),
                "stock_image_uri": "stock_image_uri" if "stock_image_uri" in self.columns else "NULL",
            },
        )


def _fields_sql(fields: Mapping[str, str]) -> str:
    """SQL of a JSON object of texts: name of the field to the role that it is read under."""
    pairs = (f"{quoted_text(name)}, coalesce({quoted_name(role)}, '')" for name, role in fields.items())
    return f"json_object({', '.join(pairs)})"
