"""JSON lines: one object a line."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb

from recsys_adapters.formats.file_lines import Lines, open_bytes
from recsys_adapters.formats.record_format import FileColumn
from recsys_adapters.records.sql_quoting import quoted_name, quoted_text

_NUM_SAMPLED_LINES = 10_000


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """Files of one JSON object a line; a column is a key of the object itself, not of one inside it.

    A text is taken as it is, any other value as JSON writes it; null and a missing key are both NULL.
    """

    suffixes: tuple[str, ...] = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")

    def column_names(self, path: Path) -> tuple[str, ...]:
        """Keys of the objects among the first ten thousand lines."""
        with open_bytes(path) as stream:
            keys = (key for line in islice(stream, _NUM_SAMPLED_LINES) for key in _keys(line))
            return tuple(dict.fromkeys(keys))

    def records(
        self, connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[FileColumn]
    ) -> str:
        """Each line parsed by itself."""
        keys = ", ".join(quoted_text(_pointer(column.name)) for column in columns)
        values = ", ".join(
            f"nullif(cells[{i}], '') AS {quoted_name(column.role)}" for i, column in enumerate(columns, 1)
        )
        connection.register("source_lines", Lines(path))
        return f"""
            SELECT line, raw, defect, false AS is_plain, {values}
            FROM (SELECT *, CASE WHEN defect IS NULL THEN json_extract_string(raw, [{keys}]) END AS cells
                FROM (SELECT line, raw, coalesce(defect, CASE
                        WHEN trim(raw) = '' THEN 'line is empty'
                        WHEN NOT json_valid(raw) THEN 'line is not JSON'
                        WHEN json_type(raw) <> 'OBJECT' THEN 'line is not a JSON object' END) AS defect
                    FROM source_lines))"""


def _keys(line: bytes) -> tuple[str, ...]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    return tuple(record) if isinstance(record, dict) else ()


def _pointer(key: str) -> str:
    """JSON pointer (RFC 6901) of a key of the object itself."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
