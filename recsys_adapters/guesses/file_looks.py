"""What a file looks like: its format, its columns, and a few values of each, by DuckDB's own sniffers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import duckdb

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.file_lines import begins_as_utf8, encoding_of, read_text_head
from recsys_adapters.formats.packed_bytes import packing, read_head
from recsys_adapters.guesses.column_roles import SeenColumn, are_names
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text
from recsys_adapters.sources.file_search import unpacked_name

RECORDS_LOOKED_AT = 1_000
SNIFFED = (None, "gzip", "zstd")
"""Packers that DuckDB's sniffers open by themselves, and none."""
PARQUET_SUFFIXES = (".parquet", ".parq", ".pq")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
WESTERN = "cp1252"
NO_QUOTE = ("", "(empty)", "\x00")
"""What the sniffer says of files without quotes."""


@dataclass(frozen=True, kw_only=True)
class FileLook:
    """A file's format in the words of the settings, and its columns."""

    keys: Mapping[str, object]
    """`format`, and what of `delimiter`, `quote`, `skip`, `header`, `names` is not as by default."""
    columns: Sequence[SeenColumn]


def look_at_file(path: Path) -> FileLook:
    """Look at the first records of a file.

    Raises:
        SourceFileError: if DuckDB cannot tell what it is, naming the file.
    """
    suffix = PurePath(unpacked_name(path.name)).suffix
    with TemporaryDirectory() as folder:
        try:
            return _look_at(path, suffix, Path(folder))
        except duckdb.Error as error:
            raise SourceFileError(
                f"cannot tell how {path.name} is read ({type(error).__name__}): describe it by hand, with "
                "the keys of docs/sources.md"
            ) from error


def _look_at(path: Path, suffix: str, folder: Path) -> FileLook:
    connection = duckdb.connect(config={"threads": 1})
    if suffix in PARQUET_SUFFIXES:
        return _look(connection, {"format": "parquet"}, f"read_parquet({quoted_text(escape(str(path)))})")
    head = read_head(path)
    encoding = _encoding(head)
    if packing(path) in SNIFFED and encoding == "utf-8":
        legible = Path(escape(str(path)))
    else:
        text = read_text_head(path, encoding=encoding)
        legible = folder / f"head{suffix}"
        legible.write_text(text[: text.rfind("\n") + 1] or text, encoding="utf-8")
    if suffix in JSON_SUFFIXES:
        look = _look(connection, {"format": "jsonl"}, f"read_json_auto({quoted_text(str(legible))})")
    else:
        look = _look_at_text(connection, legible)
    # Others are told by the reader itself, which goes by the same signs.
    told = {"encoding": encoding} if encoding == WESTERN else {}
    return replace(look, keys={**look.keys, **told})


def _encoding(head: bytes) -> str:
    """The encoding of a text by its first bytes; not all of what is no UTF-8 is in that of Western Europe."""
    written = encoding_of(head, "utf-8")
    return WESTERN if written == "utf-8" and not begins_as_utf8(head) else written


def _look_at_text(connection: duckdb.DuckDBPyConnection, path: Path) -> FileLook:
    sniffed = connection.execute(
        "SELECT Delimiter, Quote, SkipRows, HasHeader, list_transform(Columns, c -> c.name) "
        f"FROM sniff_csv({quoted_text(str(path))}, sample_size = {RECORDS_LOOKED_AT})"
    ).fetchone()
    assert sniffed is not None  # a sniffer that finds nothing raises
    delimiter, quote, skip, has_header, names = sniffed
    # A file whose values are texts like its names, or whose last columns have none, seems to have no header.
    has_header = has_header or are_names(_first_values(connection, path, delimiter, skip))
    keys: dict[str, object] = {"format": "tsv" if delimiter == "\t" else "csv"}
    if delimiter not in (",", "\t"):
        keys["delimiter"] = delimiter
    if quote in NO_QUOTE and delimiter == "\t":
        keys["quote"] = ""
    if skip:
        keys["skip"] = skip
    if not has_header:
        keys |= {"header": False, "names": [f"column{place}" for place in range(1, len(names) + 1)]}
    reading = f"delim = {quoted_text(delimiter)}, header = {has_header}, skip = {skip}, ignore_errors = true"
    if not has_header:
        reading += f", names = {keys['names']}"
    return _look(connection, keys, f"read_csv({quoted_text(str(path))}, {reading})")


def _first_values(connection: duckdb.DuckDBPyConnection, path: Path, delimiter: str, skip: int) -> list[str]:
    """The values of the first line that is not skipped, without empty ones."""
    reading = f"delim = {quoted_text(delimiter)}, header = false, skip = {skip}, all_varchar = true"
    row = connection.execute(
        f"FROM read_csv({quoted_text(str(path))}, {reading}, ignore_errors = true) LIMIT 1"
    ).fetchone()
    return [value for value in row or () if value]


def _look(connection: duckdb.DuckDBPyConnection, keys: Mapping[str, object], relation: str) -> FileLook:
    connection.execute(f"CREATE TEMP TABLE seen AS FROM {relation} LIMIT {RECORDS_LOOKED_AT}")
    described = connection.execute("DESCRIBE seen").fetchall()
    columns = [
        SeenColumn(name=name, sql_type=sql_type, values=_values(connection, name))
        for name, sql_type, *_ in described
    ]
    return FileLook(keys=keys, columns=columns)


def _values(connection: duckdb.DuckDBPyConnection, name: str) -> list[object]:
    column = quoted_name(name)
    rows = connection.execute(
        f"SELECT DISTINCT {column} FROM seen WHERE {column} IS NOT NULL ORDER BY 1"
    ).fetchall()
    return [value for (value,) in rows]
