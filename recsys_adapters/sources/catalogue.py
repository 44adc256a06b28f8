"""Any catalogue of items, in CSV, JSON or Parquet, by the names of its columns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from recsys_adapters.formats.record_format import FileColumn, Layout
from recsys_adapters.records.plain_texts import plain_text_sql
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text
from recsys_adapters.sources.file_search import FoundFile
from recsys_adapters.sources.file_source import FileSource, check_roles

_REQUIRED = ("item_id",)
_OPTIONAL = ("title", "stock_image_uri")
_MOST_TOLD = 3
MOST_COLUMNS = 500
"""Each is a field: of twice as many the engine runs out of memory while it plans."""


@dataclass(frozen=True, kw_only=True)
class Catalogue(FileSource):
    """Items from the files of a catalogue; every column but the id and the picture is a field for templates.

    A field has its column's name in the file; the field `title` is the title, whatever its column is called.
    Texts are as people see them: entities are characters, markup is gone, lists are their words. What several
    catalogues say of one item is put together by field; a catalogue without titles adds to the others.

    Raises:
        ValueError: if the settings name an unknown column or format, or lack a column.
    """

    columns: Mapping[str, str]
    """Name in the file of `item_id` and `title` and, optionally, `stock_image_uri`. Without `title` it is a
    supplement of other catalogues, for example a feed of prices."""
    source: str = "catalogue"
    """What the lake calls the source."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_roles(self.source, self.columns, needed=_REQUIRED, optional=_OPTIONAL)

    def files(self) -> tuple[SourceFile, ...]:
        """The catalogue's files.

        Raises:
            SourceFileError: if there are none.
        """
        search = self.search()
        files = [self._file(file) for file in search.files]
        files[:1] = [replace(file, left_aside=search.notes) for file in files[:1]]
        return tuple(files)

    def _file(self, file: FoundFile) -> SourceFile:
        layout, fault = self.look_at(file, list(self.columns.values()))
        if len(layout.names) > MOST_COLUMNS:
            fault = (
                f"{file.name} has {len(layout.names):,} columns, and a catalogue may have {MOST_COLUMNS}: "
                "leave out those that no template names"
            )
            layout = Layout(())
        mapped = tuple(self._column(role, file, layout) for role in self.columns)
        fields, columns = self._fields(file, layout)
        title = plain_text_sql("title", is_title=True) if "title" in self.columns else "NULL"
        return SourceFile(
            path=file.path,
            name=file.name,
            member=file.member,
            source=self.source,
            table="items",
            format=self.file_format,
            columns=(*mapped, *columns, *self.limit_columns),
            staged={
                "item_id": "item_id",
                "title": title,
                "fields": _fields_sql(fields),
                "stock_image_uri": "stock_image_uri" if "stock_image_uri" in self.columns else "NULL",
            },
            rules=self.limit_rules,
            null_words=self.null_values,
            decimal=self.decimal,
            id_space=self.id_space,
            unnesting=self.unnesting,
            notes=(*layout.notes, *self._shadowed(file, layout), *_repeated(file, layout)),
            fault=fault,
        )

    def _column(self, role: str, file: FoundFile, layout: Layout) -> FileColumn:
        column = FileColumn(role, self.columns[role], is_id=role == "item_id")
        return self.placed(column, file, layout)

    def _fields(self, file: FoundFile, layout: Layout) -> tuple[dict[str, str], tuple[FileColumn, ...]]:
        """SQL of each field for templates, and the columns beside the mapped ones that they are read from."""
        mapped = {name: role for role, name in self.columns.items()}
        hidden = {self.columns[role] for role in ("item_id", "stock_image_uri") if role in self.columns}
        fields: dict[str, str] = {}
        columns = []
        keys = file.keys if self.hive else {}
        for place, name in enumerate(dict.fromkeys([*layout.names, *keys])):
            if name in hidden or (name == "title" and "title" in self.columns and name not in mapped):
                continue
            role = mapped.get(name, f"field_{place}")
            if name not in mapped:
                columns.append(self.placed(FileColumn(role, name, required=False), file, layout))
            fields[name] = plain_text_sql(quoted_name(role), is_title=role == "title")
        if "title" in self.columns:
            fields.pop(self.columns["title"], None)
            fields = {"title": plain_text_sql("title", is_title=True)} | fields
        return fields, tuple(columns)

    def _shadowed(self, file: FoundFile, layout: Layout) -> tuple[str, ...]:
        if self.columns.get("title", "title") == "title" or "title" not in layout.names:
            return ()
        return (f"{file.name}: the field title is its column {self.columns['title']}, not its column title",)


def _repeated(file: FoundFile, layout: Layout) -> tuple[str, ...]:
    """That of columns of one name the first is read."""
    names = [name for name in dict.fromkeys(layout.names) if name and layout.names.count(name) > 1]
    if not names:
        return ()
    more = f" and {len(names) - _MOST_TOLD} more" if names[_MOST_TOLD:] else ""
    told = ", ".join(names[:_MOST_TOLD]) + more
    return (f"{file.name} has several columns {told}: the first of a name is read, rename the others",)


def _fields_sql(fields: Mapping[str, str]) -> str:
    """SQL of a JSON object of texts, from the SQL of each field."""
    pairs = (f"{quoted_text(name)}, coalesce({text}, '')" for name, text in fields.items())
    return f"json_object({', '.join(pairs)})"
