"""Parquet: one row is one record.

Arrow reads the file, by the places of its columns: no name means anything, neither to a reader of patterns
nor to one that takes `ID` for `id`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.packed_bytes import check_packer, packing
from recsys_adapters.formats.record_format import (
    SOURCE_RECORDS,
    FileColumn,
    FileRecords,
    Layout,
    inner_paths,
)
from recsys_adapters.records.plain_values import lost_digits
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

_ROWS_AT_ONCE = 1 << 16
_LARGEST_EXACT_FLOAT16, _LARGEST_EXACT_FLOAT32 = 1 << 11, 1 << 24
_UNREADABLE = (
    "has lists of a fixed size, and none in some rows, which Arrow cannot read: write it as lists of any size"
)
_IS_BINARY = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


@dataclass(frozen=True, kw_only=True)
class ParquetRows:
    """Parquet files; the line of a record is its row number, its raw form a JSON object of texts.

    Bytes are text in UTF-8, times are kept to the microsecond, and lists and structures read as JSON. What
    Arrow writes and cannot read back is left out, unless it is wanted.
    """

    suffixes: tuple[str, ...] = (".parquet", ".parq", ".pq")

    def layout(self, path: Path, wanted: Sequence[str] = ()) -> Layout:
        """Names of the top-level columns; none for a file without a byte."""
        schema, left_out = _read_schema(path)
        if lost := [name for name in left_out for one in wanted if one == name or one.startswith(f"{name}.")]:
            raise SourceFileError(f"{path.name}: {lost[0]} {_UNREADABLE}.")
        repeated = sorted({name for name in schema.names if schema.names.count(name) > 1} & {*wanted})
        if repeated:
            raise SourceFileError(f"{path.name} names a column twice: {repeated}. Rename one of them.")
        if hidden := [name for name in wanted if _is_hidden(schema, name)]:
            raise SourceFileError(
                f"{path.name}: {hidden[0]} is a field beside one whose name differs by case alone. Rename "
                "one of them, or export the file as JSON."
            )
        times = [name for name in wanted if (found := _find(schema, name)) and pa.types.is_temporal(found[1])]
        notes = [f"{path.name}: its column {name} is left out, for it {_UNREADABLE}" for name in left_out]
        return Layout(tuple(schema.names), frozenset(times), tuple(notes))

    def has_column(self, path: Path, name: str) -> bool:
        """Tell whether there is a column of the name, or a field of a structure under the path."""
        return _find(_schema(path), name) is not None

    def records(self, path: Path, columns: Sequence[FileColumn]) -> FileRecords:
        """Rows with every column as text."""
        schema = _schema(path)
        texts = ", ".join(
            f"{quoted_text(name)}, {_text(f'c{place}', kind)}"
            for place, (name, kind) in enumerate(zip(schema.names, schema.types, strict=True))
        )
        raw = f"CAST(json_object({texts}) AS VARCHAR)" if schema.names else "NULL::VARCHAR"
        values = ", ".join(f"{_value_sql(schema, c)} AS {quoted_name(c.role)}" for c in columns)
        sql = f"SELECT place, line, {raw} AS raw, defect, false AS is_plain, {values} FROM {SOURCE_RECORDS}"
        ids = frozenset(column.name for column in columns if column.is_id)
        return FileRecords(_Rows(path, schema, ids), sql)


@dataclass(frozen=True)
class _Rows:
    """The rows as a stream of `line`, `defect`, `c0`, `c1`, ..., read anew whenever it is scanned."""

    path: Path
    file_schema: pa.Schema
    ids: frozenset[str]
    """Columns that hold ids."""

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of the batches."""
        columns = [(f"c{place}", _plain_type(kind)) for place, kind in enumerate(self.file_schema.types)]
        return pa.schema([("line", pa.int64()), ("defect", pa.string()), *columns])

    def up_to(self, num_bytes: int) -> "_Rows":
        """All rows: what a file of Parquet has is listed at its end."""
        return self

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, some at a time."""
        if not self.file_schema.names:
            return
        next_line = 1
        with self.path.open("rb") as stream:
            file = pq.ParquetFile(stream, coerce_int96_timestamp_unit="us")
            names = self.file_schema.names
            wanted = None if len(names) == len(file.schema_arrow) else names
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
                lines = pa.array(np.arange(next_line, next_line + len(batch)))
                defects = pa.nulls(len(batch), pa.string())
                columns = []
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    value, broken = _plain(column)
                    columns.append(value)
                    if broken is not None:
                        defects = pc.coalesce(defects, pc.if_else(broken, f"{name} is not valid UTF-8", None))
                    if name in self.ids and pa.types.is_float16(column.type):
                        is_rounded = pc.greater(pc.abs(value), _LARGEST_EXACT_FLOAT16)
                        defects = pc.coalesce(defects, pc.if_else(is_rounded, lost_digits(name), None))
                yield pa.record_batch([lines, defects, *columns], schema=self.schema)
                next_line += len(batch)


def _schema(path: Path) -> pa.Schema:
    """Columns that can be read."""
    return _read_schema(path)[0]


def _read_schema(path: Path) -> tuple[pa.Schema, tuple[str, ...]]:
    """Columns that can be read, and the names of those that cannot."""
    schema = _whole_schema(path)
    if not any(_may_be_unreadable(field.type) for field in schema):
        return schema, ()
    status = path.stat()
    left_out = _unreadable(path, status.st_mtime_ns, status.st_size)
    return pa.schema([field for field in schema if field.name not in left_out]), left_out


@lru_cache(maxsize=64)
def _unreadable(path: Path, _changed: int, _size: int) -> tuple[str, ...]:
    with path.open("rb") as stream:
        file = pq.ParquetFile(stream)
        doubtful = {field.name for field in file.schema_arrow if _may_be_unreadable(field.type)}
        return tuple(name for name in sorted(doubtful) if _has_gaps(file, name) and not _is_read(file, name))


def _may_be_unreadable(kind: pa.DataType) -> bool:
    # How a type is written names all that is inside it, but for what is inside an extension's.
    return "fixed_size_list" in str(kind) or "extension" in str(kind)


def _has_gaps(file: pq.ParquetFile, name: str) -> bool:
    """Whether some value of a column may be missing, as far as the file's end tells."""
    groups = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    return any(
        not chunk.is_stats_set or chunk.statistics.null_count != 0
        for chunk in chunks
        if chunk.path_in_schema.startswith(f"{name}.")
    )


def _is_read(file: pq.ParquetFile, name: str) -> bool:
    try:
        for _ in file.iter_batches(_ROWS_AT_ONCE, columns=[name]):
            pass
    except pa.ArrowInvalid:
        return False
    return True


def _whole_schema(path: Path) -> pa.Schema:
    if path.exists() and path.stat().st_size == 0:
        return pa.schema([])
    if kind := packing(path):
        raise SourceFileError(f"{path.name} is a {kind} file: unpack it, Parquet is packed inside already.")
    check_packer(path)
    try:
        with path.open("rb") as stream:
            return pq.ParquetFile(stream).schema_arrow
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise SourceFileError(
            f"{path.name} is not a Parquet file, or one that was not written to its end. "
            "Name its format in the settings, or fetch it anew."
        ) from error


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that DuckDB is given in the place of one that it would read otherwise, or not at all."""
    if any(is_binary(kind) for is_binary in _IS_BINARY) or pa.types.is_decimal256(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz and "UTC")
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    if isinstance(kind, pa.UuidType):
        return kind
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    if pa.types.is_struct(kind):
        return pa.struct(
            [pa.field(kind.field(i).name, _plain_type(kind.field(i).type)) for i in range(kind.num_fields)]
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    return kind


def _plain(column: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """A column in its plain type; which of its values are no text, if any is not."""
    kind = _plain_type(column.type)
    if kind == column.type:
        return column, None
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    try:
        return _cast(column, kind), None
    except pa.ArrowInvalid:
        if pa.types.is_nested(kind):
            return _without_broken(column, kind)
        values = column.cast(pa.binary()).to_pylist()
    texts = [value and value.decode("utf-8", "backslashreplace") for value in values]
    broken = [value is not None and value.decode("utf-8", "replace").encode() != value for value in values]
    return pa.array(texts, pa.string()), pa.array(broken)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in another type, where times may lose what is below a microsecond."""
    options = pc.CastOptions(kind, allow_time_truncate=True, allow_time_overflow=True)
    return column.cast(options=options)


def _without_broken(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array]:
    """A column of lists or structures without those that hold bytes that are no text; which these are."""
    broken = [not _is_text(column.slice(place, 1), kind) for place in range(len(column))]
    places = [None if is_broken else place for place, is_broken in enumerate(broken)]
    return _cast(column.take(pa.array(places, pa.int64())), kind), pa.array(broken)


def _is_text(value: pa.Array, kind: pa.DataType) -> bool:
    try:
        _cast(value, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _find(schema: pa.Schema, name: str) -> tuple[str, pa.DataType] | None:
    """SQL and plain type of the column of a name, or of the field under a path."""
    ways = [(name, ""), *inner_paths(name)]
    for outer, inner in ways:
        if outer in schema.names:
            place = schema.names.index(outer)
            found = _descend(f"c{place}", _plain_type(schema.types[place]), inner.split(".") if inner else [])
            if found:
                return found
    return None


def _descend(value: str, kind: pa.DataType, path: Sequence[str]) -> tuple[str, pa.DataType] | None:
    if not path:
        return value, kind
    if pa.types.is_map(kind):
        key = f"CAST({quoted_text(path[0])} AS VARCHAR)"
        return _descend(f"map_extract_value({value}, {key})", kind.item_type, path[1:])
    if not pa.types.is_struct(kind) or (place := kind.get_field_index(path[0])) < 0:
        return None
    return _descend(f"struct_extract_at({value}, {place + 1})", kind.field(place).type, path[1:])


def _is_hidden(schema: pa.Schema, name: str) -> bool:
    """Whether a path leads to a field that DuckDB takes for one before it, which differs by case alone."""
    for outer, inner in inner_paths(name):
        kind = schema.field(outer).type if schema.names.count(outer) == 1 else None
        for part in inner.split("."):
            if kind is None or not pa.types.is_struct(kind) or (place := kind.get_field_index(part)) < 0:
                break
            if part.casefold() in [kind.field(before).name.casefold() for before in range(place)]:
                return True
            kind = kind.field(place).type
    return False


def _value_sql(schema: pa.Schema, column: FileColumn) -> str:
    found = _find(schema, column.name)
    if not found:
        return "NULL::VARCHAR"
    value, kind = found
    text = _text(value, kind)
    if column.is_id and pa.types.is_float32(kind):
        # Written with few digits, an id is seen to have lost some.
        text = (
            f"CASE WHEN abs({value}) > {_LARGEST_EXACT_FLOAT32} THEN printf('%.5e', {value}) ELSE {text} END"
        )
    return text


def _text(value: str, kind: pa.DataType) -> str:
    if pa.types.is_nested(kind):
        return f"CAST(to_json({value}) AS VARCHAR)"
    return f"nullif(CAST({value} AS VARCHAR), '')"
