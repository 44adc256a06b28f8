"""What all sources that are described by settings have in common: where their files are and how they read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from typing import Literal, get_args

from feature_store.schemas import Rule
from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.delimited_text import DelimitedText
from recsys_adapters.formats.file_lines import looks_like_utf8
from recsys_adapters.formats.json_lines import JsonLines
from recsys_adapters.formats.parquet_rows import ParquetRows
from recsys_adapters.formats.record_format import FileColumn, Layout, RecordFormat
from recsys_adapters.records.plain_values import NULL_WORDS
from recsys_adapters.records.sql_quoting import quoted_name
from recsys_adapters.records.unnesting import Unnesting
from recsys_adapters.sources.file_search import FoundFile, FoundFiles, search_files
from recsys_adapters.sources.remote_files import place_of

DELIMITERS = {"csv": ",", "tsv": "\t"}
FileFormat = Literal["csv", "tsv", "jsonl", "json", "python", "parquet"]
FORMATS = get_args(FileFormat)
_Decimal = Literal[".", ","]


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """Files, and how they are read.

    Raises:
        ValueError: if a setting has no meaning, or not beside another one.
    """

    path: Path
    """A file, a folder (with its sub-folders), a glob pattern, one of these inside a zip archive
    (`logs.zip/may.csv`), or an address (`s3://`, `https://`, `file:///`, ...)."""
    format: FileFormat = "csv"
    """`csv`, `tsv`, `json` or `jsonl` (an object a line, an array, or objects of several lines), `python` (a
    dictionary a line, as Python writes it) or `parquet`. Packers (gz, zst, bz2, xz, zip) are recognised."""
    delimiter: str | None = None
    """What parts the values of a csv or tsv file, one character or more, if neither a comma nor a tab."""
    header: bool = True
    """Whether a line of a csv or tsv file names its columns. Without one, and without `names`, they are
    called `1`, `2`, ..."""
    names: tuple[str, ...] = ()
    """Names of the columns of a csv or tsv file, in the place of its header's."""
    quote: str = '"'
    """What values may stand in; "" where quotes are characters like others."""
    escape: str = ""
    """What makes the next character an ordinary one, for example a backslash."""
    comment: str = ""
    """Lines that begin with this are no records."""
    skip: int = 0
    """Lines before the header (or the first record) that are none."""
    section: str = ""
    """Regular expression of lines that begin a section; what its group matches is the first value of each
    line after it. `(\\d+):` reads the Netflix Prize."""
    rest_in_last: bool = False
    """Whether delimiters beyond the last column belong to its value, as in titles that nobody quoted."""
    encoding: str = "utf-8"
    """Of text files: `utf-8`, `latin-1`, `cp1252`, `utf-16`, or another that Python knows."""
    decimal: _Decimal = "."
    """What parts the whole from the fraction in a number, also in an id that became one."""
    null_values: tuple[str, ...] = NULL_WORDS
    """Words that mean nothing, in any column."""
    hive: bool = True
    """Whether folders named `key=value` are columns, where the file itself has none of the name."""
    unnest: str = ""
    """The column of a list; each element becomes a record. What is inside an element is named by path:
    `events.aid`."""
    separator: str = ""
    """What parts the elements of a list that is a text; "": it is written as JSON or Python writes lists."""
    parts: str = ""
    """What parts an element of such a list itself: its parts are `column.1`, `column.2`, ..."""
    at_most: Mapping[str, float] = field(default_factory=dict)
    """Largest value of columns, by name: a record above one is refused, for example
    `{prompt_nsfw = 0.5}`."""
    settle_seconds: float = 0.0
    """A file that was written to within so many seconds waits for the next night."""
    marker: str = ""
    """Name of the file without which a folder is not complete and waits, for example `_SUCCESS`."""
    id_space: str = ""
    """Set before the ids of items, with a colon between, where other sources use the same ids for other
    items: `books`, or `books:`, makes `books:1` of `1`."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"file format {self.format!r} is unknown. Write one of {', '.join(FORMATS)}.")
        if self.names and self.format not in DELIMITERS:
            raise ValueError("names are for csv and tsv files; others name their columns themselves")
        try:
            "".encode(self.encoding)
        except LookupError as error:
            raise ValueError(
                f"encoding {self.encoding!r} is unknown; write utf-8, latin-1, cp1252, ..."
            ) from error
        if self.decimal not in get_args(_Decimal):
            raise ValueError(f'decimal = "{self.decimal}" parts no numbers: write "." or ","')
        if self.skip < 0 or not 0 <= self.settle_seconds < inf:
            raise ValueError("skip and settle_seconds cannot be below zero, nor without end")
        check_finite("at_most", self.at_most)
        self._settle_id_space()
        _ = self.file_format

    def _settle_id_space(self) -> None:
        """Let the colon after an id space be there once, whether the settings write it or not."""
        space = self.id_space.strip().removesuffix(":")
        if self.id_space and not space:
            raise ValueError("id_space holds no word: write one, such as books, or leave it out")
        object.__setattr__(self, "id_space", space)

    @cached_property
    def file_format(self) -> RecordFormat:
        """How the files become records."""
        if self.format == "parquet":
            return ParquetRows()
        if self.format in ("json", "jsonl", "python"):
            return JsonLines(encoding=self.encoding, literals=self.format == "python")
        return DelimitedText(
            delimiter=self.delimiter or DELIMITERS[self.format],
            quote=self.quote,
            escape=self.escape,
            comment=self.comment,
            skip=self.skip,
            header=self.header,
            names=self.names,
            section=self.section,
            rest_in_last=self.rest_in_last,
            null_words=self.null_values,
            encoding=self.encoding,
        )

    @property
    def unnesting(self) -> Unnesting | None:
        """The list that is made into records, if any."""
        if not self.unnest:
            return None
        return Unnesting(column=self.unnest, separator=self.separator, parts=self.parts)

    def search(self) -> FoundFiles:
        """Look for the files.

        Raises:
            SourceFileError: if there are none.
        """
        return search_files(
            place_of(self.path),
            self.file_format.suffixes,
            marker=self.marker,
            settle_seconds=self.settle_seconds,
        )

    def look_at(self, file: FoundFile, wanted: Sequence[str]) -> tuple[Layout, str | None]:
        """What a file has, and why it cannot be read, if it cannot."""
        if file.fault:
            return Layout(()), file.fault
        try:
            layout = self.file_format.layout(file.place, wanted)
            return replace(layout, notes=(*layout.notes, *self._encoding_notes(file))), None
        except SourceFileError as error:
            return Layout(()), str(error)
        except OSError as error:
            return Layout(()), f"{file.name} cannot be read: {error.strerror or error}"

    def _encoding_notes(self, file: FoundFile) -> tuple[str, ...]:
        """What speaks against the encoding of the settings."""
        if self.format == "parquet" or not looks_like_utf8(file.place, told=self.encoding):
            return ()
        return (
            f'{file.name} looks like UTF-8, but is read as encoding = "{self.encoding}": see its letters',
        )

    def placed(self, column: FileColumn, file: FoundFile, layout: Layout) -> FileColumn:
        """A column with its value, where not the file but its path has it."""
        if not self.hive or column.name in layout.names or column.name not in file.keys:
            return column
        return FileColumn(
            column.role, column.name, column.sql_type, is_id=column.is_id, constant=file.keys[column.name]
        )

    @property
    def limit_columns(self) -> tuple[FileColumn, ...]:
        """The columns that have a largest value."""
        return tuple(FileColumn(f"limit {name}", name, "DOUBLE") for name in self.at_most)

    @property
    def limit_rules(self) -> tuple[Rule, ...]:
        """Refuse what is above the largest value of a column."""
        return tuple(
            Rule(f"{name} is above {limit:g}", f"{quoted_name(f'limit {name}')} > {float(limit)!r}")
            for name, limit in self.at_most.items()
        )


def check_finite(setting: str, numbers: Mapping[str, float]) -> None:
    """Refuse what is no number, or without end.

    Raises:
        ValueError: naming the first.
    """
    for name, number in numbers.items():
        if not isfinite(number):
            raise ValueError(f"{setting}: {name} = {number} must be a finite number")


def check_roles(
    source: str, columns: Mapping[str, str], *, needed: Sequence[str], optional: Sequence[str]
) -> None:
    """Refuse columns that are mapped to roles which a source does not have, or that lack one that it needs.

    Raises:
        ValueError: naming all of them.
    """
    unknown = sorted(set(columns) - {*needed, *optional})
    missing = [role for role in needed if role not in columns]
    if not unknown and not missing:
        return
    wrong = [f"{', '.join(unknown)} unknown"] if unknown else []
    wrong += [f"{', '.join(missing)} missing"] if missing else []
    others = ", ".join(role for role in optional if role not in needed)
    told = f"{', '.join(needed)} and, if the files have them, {others}" if needed else f"any of {others}"
    raise ValueError(f"columns of {source}: {'; '.join(wrong)}. Map {told}.")
