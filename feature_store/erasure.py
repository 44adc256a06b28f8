"""Erasure: a user who leaves is gone from every table, and so is what only they had.

Rows go in one transaction; `upkeep.purge_lake` then takes away the old snapshots that still hold them.
"""

from duckdb import DuckDBPyConnection

from feature_store.lake import LAKE, Lake, freeze_view, frozen_name, quote
from feature_store.schemas import PUBLISHED_TABLES

FORGOTTEN = "forgotten"
"""What stands in the place of a file's name that named the user."""

PRIVATE_ITEMS = """
    CREATE OR REPLACE TEMP TABLE private_items AS
    WITH met AS (
        SELECT user_id, item_id FROM interactions
        UNION ALL SELECT user_id, item_id FROM superseded_interactions
        UNION ALL SELECT user_id, item_id FROM night.targets
    )
    SELECT item_id FROM met GROUP BY item_id HAVING bool_and(user_id = $user_id)
"""
"""Items that nobody else met or is to see: their texts are the user's own (a prompt, for one)."""

OWING = """
    CREATE OR REPLACE TEMP TABLE owing AS
    SELECT user_id, item_id FROM night.profiles WHERE reference_item_id IN (FROM private_items)
    UNION SELECT user_id, item_id FROM profiles WHERE reference_item_id IN (FROM private_items)
"""
"""Pairs whose profile, whosever it is, owes something to a private item."""


def erase_user(lake: Lake, user_id: str) -> int:
    """Delete a user's rows and the items that only they had, in one transaction.

    What is published stays so, without them; items that others met stay. Records that were refused lose their
    raw text if it names the user, but stay in the ledger. What others got from an item of the user's own (see
    `neighbours`) goes, too, and the next night makes it anew.

    Returns:
        Number of rows deleted.
    """

    def erase(connection: DuckDBPyConnection) -> int:
        connection.execute(PRIVATE_ITEMS, {"user_id": user_id})
        connection.execute(OWING)
        for table in PUBLISHED_TABLES:
            freeze_view(
                connection, table, f"user_id <> {quote(user_id)} AND (user_id, item_id) NOT IN (FROM owing)"
            )
        num_rows = sum(
            _delete(connection, f"night.{name}", "(user_id, item_id) IN (FROM owing)")
            for name in ("profiles", "profile_states", "artworks")
        )
        for name in _tables_of_users(connection):
            num_rows += _delete(connection, name, "user_id = ?", user_id)
        for items in ("items", "superseded_items"):
            num_rows += _delete(connection, items, "item_id IN (FROM private_items)")
        _erase_names(connection, user_id)
        return num_rows

    # The message of the snapshot must not name the user.
    return lake.write(erase, "forget a user")


def _tables_of_users(connection: DuckDBPyConnection) -> list[str]:
    """Name every table, whoever made it, that says whom its rows are about; but for the copies just made."""
    rows = connection.execute(
        "SELECT DISTINCT t.schema_name || '.' || t.table_name "
        "FROM duckdb_tables() AS t JOIN duckdb_columns() AS c USING (database_name, schema_name, table_name) "
        "WHERE t.database_name = ? AND c.column_name = 'user_id'",
        [LAKE],
    )
    return sorted({row[0] for row in rows.fetchall()} - {frozen_name(table) for table in PUBLISHED_TABLES})


def _delete(connection: DuckDBPyConnection, table: str, condition: str, *parameters: object) -> int:
    deleted = connection.execute(f"DELETE FROM {table} WHERE {condition}", list(parameters)).fetchall()
    return int(deleted[0][0])


def _erase_names(connection: DuckDBPyConnection, user_id: str) -> None:
    """Take the user's id, as a word of its own, out of refused records and of the names of files."""
    # The id is quoted for the pattern (\Q...\E); an E of its own would end that.
    word = r"(^|[^\pL\pN])\Q" + user_id.replace(r"\E", r"\E\\E\Q") + r"\E($|[^\pL\pN])"
    for table, column, replacement in (
        ("rejected_rows", "raw", None),
        ("rejected_rows", "file", FORGOTTEN),
        ("ingested_files", "file", FORGOTTEN),
    ):
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE regexp_matches({column}, ?)", [replacement, word]
        )
