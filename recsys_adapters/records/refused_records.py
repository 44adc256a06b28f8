"""Refused records, kept while a query reads their file, so that one reading is enough."""

import uuid

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling

MOST_KEPT = 250_000
"""Records kept in memory; a file with more of them must be staged."""
REJECTS_SCHEMA = pa.schema([("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])


class RefusedRecords:
    """What a condition of a query refused.

    Args:
        connection: whose queries may use the condition, until `close`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._kept: list[tuple[int, str, str | None]] = []
        self._name = f"keep_refused_{uuid.uuid4().hex}"
        connection.create_function(
            self._name,
            self._keep,
            ["BIGINT", "VARCHAR", "VARCHAR"],
            "BOOLEAN",
            null_handling=FunctionNullHandling.SPECIAL,
            side_effects=True,
        )

    @property
    def condition(self) -> str:
        """SQL that is true for a record (`line`, `reason`, `raw`) without a reason, and keeps any other."""
        return f"CASE WHEN reason IS NULL THEN true ELSE {self._name}(line, reason, raw) END"

    def _keep(self, line: int, reason: str, raw: str | None) -> bool:
        if len(self._kept) <= MOST_KEPT:
            self._kept.append((line, reason, raw))
        return False

    def clear(self) -> None:
        """Forget all, before the query is run again."""
        self._kept.clear()

    def table(self) -> pa.Table | None:
        """The records, as `line`, `reason` and `raw`; None if they were too many to keep."""
        if len(self._kept) > MOST_KEPT:
            return None
        rows = [dict(zip(REJECTS_SCHEMA.names, record, strict=True)) for record in self._kept]
        return pa.Table.from_pylist(rows, schema=REJECTS_SCHEMA)

    def close(self) -> None:
        """Take the condition from the connection."""
        self._connection.remove_function(self._name)
