"""Names and literals, as SQL writes them, and rows that it reads."""

from collections.abc import Iterable

import pyarrow as pa

LAKE = "lake"
"""The catalogue that a connection of the lake has attached."""


def quote(text: str) -> str:
    """Write a text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def arrow_rows(schema: pa.Schema, rows: Iterable[tuple[object, ...]]) -> pa.Table:
    """Write rows as a table that can be registered with a connection, values in the order of the columns."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
