"""Parquet: one row is one record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text


@dataclass(frozen=True, kw_only=True)
class ParquetRows:
    """Parquet files; the line of a record is its row number, its raw form a JSON object of texts."""

    suffixes: tuple[str, ...] = (".parquet",)

    def column_names(self, path: Path) -> tuple[str, ...]:
        """Names of the top-level columns; none for a file without a byte."""
        if path.stat().st_size == 0:
            return ()
        try:
            return tuple(pq.read_schema(path).names)
        except pa.ArrowInvalid as error:
            raise SourceFileError(
                f"{path.name} is not a Parquet file. Name its format in the settings."
            ) from error

    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> str:
        """Rows with every column as text."""
        names = self.column_names(path)
        texts = ", ".join(f"{quoted_text(name)}, {_text(name)}" for name in names)
        raw = f"json_object({texts})" if names else "NULL"
        values = ", ".join(
            f"{_text(column.name) if column.name in names else 'NULL::VARCHAR'} AS {quoted_name(column.role)}"
            for column in columns
        )
        rows = f"read_parquet({quoted_text(str(path))}, file_row_number = true)"
        if not names:
            rows = "(SELECT 0 AS file_row_number WHERE false)"
        return f"""
            SELECT file_row_number + 1 AS line, CAST({raw} AS VARCHAR) AS raw, NULL::VARCHAR AS defect,
                false AS is_plain, {values}
            FROM {rows}"""


def _text(name: str) -> str:
    return f"nullif(CAST({quoted_name(name)} AS VARCHAR), '')"
