"""Relations that queries hand on to each other by name, for as long as a connection lives."""

from collections.abc import Mapping

from duckdb import DuckDBPyConnection


def keep(
    connection: DuckDBPyConnection, name: str, rows: str, parameters: Mapping[str, object] | None = None
) -> str:
    """Run a query once, and return the name of the relation that its rows are kept in.

    Args:
        connection: that alone sees it.
        name: of a temporary table, which takes the place of one of before.
        rows: the query.
        parameters: what the query names with a `$`.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {rows}", parameters)
    return name


def count(connection: DuckDBPyConnection, relation: str) -> int:
    """Count the rows of a relation."""
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
