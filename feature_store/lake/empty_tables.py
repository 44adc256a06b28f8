"""Statistics of tables that never had a row.

DuckLake has none until a table's first row, and each query on such a table asks the catalogue for them eight
times, which is most of what the query costs; some tables stay empty for good. What stands in the catalogue's
tables is DuckLake's published specification (https://ducklake.select/docs/stable/specification). To write a
row and delete it is no way out: its values would stay the lowest and the highest, and `min` and `max` would
answer with them.
"""

from duckdb import DuckDBPyConnection

from feature_store.lake.sql import LAKE

METADATA = f"__ducklake_metadata_{LAKE}"
"""The catalogue's own tables, as DuckLake attaches them."""
UNKNOWN = f"table_id NOT IN (SELECT table_id FROM {METADATA}.ducklake_table_stats)"
OF_COLUMNS = f"""
    INSERT INTO {METADATA}.ducklake_table_column_stats (table_id, column_id, contains_null)
    SELECT table_id, column_id, false FROM {METADATA}.ducklake_column WHERE end_snapshot IS NULL AND {UNKNOWN}
"""
OF_TABLES = f"""
    INSERT INTO {METADATA}.ducklake_table_stats (table_id, record_count, next_row_id, file_size_bytes)
    SELECT table_id, 0, 0, 0 FROM {METADATA}.ducklake_table WHERE end_snapshot IS NULL AND {UNKNOWN}
"""


def begin_statistics(connection: DuckDBPyConnection) -> None:
    """Let DuckLake know of its tables without statistics that they are empty; the writers' lock is held.

    The first row makes of them what it would have made of none.
    """
    connection.execute(f"BEGIN; {OF_COLUMNS}; {OF_TABLES}; COMMIT")
