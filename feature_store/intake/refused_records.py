"""Refused records, kept while a query reads their file, so that one reading is enough."""

import threading
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from duckdb.func import FunctionNullHandling

from feature_store.lake.sql import quote

ROWS_IN_MEMORY = 50_000
SCHEMA = pa.schema(
    [
        ("place", pa.int32()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.string()),
        ("user_id", pa.string()),
    ]
)


class RefusedRecords:
    """What a condition of a query refused, written to a file as it comes.

    Args:
        connection: whose queries may use the condition, until `close`.
        folder: where the file goes.
    """

    def __init__(self, connection: DuckDBPyConnection, folder: Path) -> None:
        name = f"refused_{uuid.uuid4().hex}"
        self._connection, self._function, self._file = connection, name, folder / f"{name}.parquet"
        self._writer: pq.ParquetWriter | None = None
        self._kept: list[tuple[int, int, str, str | None, str | None]] = []
        self._lock = threading.Lock()
        connection.create_function(
            name,
            self._keep,
            ["INTEGER", "BIGINT", "VARCHAR", "VARCHAR", "VARCHAR"],
            "BOOLEAN",
            null_handling=FunctionNullHandling.SPECIAL,
            side_effects=True,
        )

    def is_accepted(self, user_id: str) -> str:
        """SQL that is true for a record without a reason, and keeps any other.

        The record has `place`, `line`, `reason` and `raw`.

        Args:
            user_id: SQL of whose record it is, or NULL.
        """
        kept = f"{self._function}(place, line, reason, raw, {user_id})"
        return f"CASE WHEN reason IS NULL THEN true ELSE {kept} END"

    def _keep(self, place: int, line: int, reason: str, raw: str | None, user_id: str | None) -> bool:
        with self._lock:
            self._kept.append((place, line, reason, raw, user_id))
            if len(self._kept) >= ROWS_IN_MEMORY:
                self._flush()
        return False

    def _flush(self) -> None:
        columns = zip(*self._kept, strict=True) if self._kept else ((),) * len(SCHEMA)
        rows = pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)],
                        schema=SCHEMA)  # fmt: skip
        self._writer = self._writer or pq.ParquetWriter(self._file, SCHEMA)
        self._writer.write_table(rows)
        self._kept.clear()

    def finish(self) -> str:
        """Name the relation of what was refused (`SCHEMA`), after the query."""
        self._flush()
        assert self._writer is not None
        self._writer.close()
        return f"read_parquet({quote(str(self._file))})"

    def close(self) -> None:
        """Take the condition from the connection, and the file away."""
        self._connection.remove_function(self._function)
        self._file.unlink(missing_ok=True)
