"""States of users whose history changes: they go with the rows that change it."""

from duckdb import DuckDBPyConnection

from feature_store.schemas import INTERACTIONS, ITEMS, Table

HAVING_STATES = (
    "(SELECT user_key FROM night.target_states UNION ALL SELECT user_key FROM night.profile_states)"
)


def mark_stale(connection: DuckDBPyConnection, table: Table, changed: str) -> None:
    """Take away the states of the users whom rows are about, or who met their items.

    Args:
        connection: inside the transaction that changes the rows.
        table: of interactions or items.
        changed: relation of `user_key` or `item_id`, before and after the change.
    """
    if not connection.execute(f"FROM {HAVING_STATES} LIMIT 1").fetchall():
        return
    items, users = "SELECT NULL", f"SELECT user_key FROM {changed}"
    if table is ITEMS:
        items = f"SELECT item_id FROM {changed}"
        users = f"SELECT user_key FROM {INTERACTIONS.qualified_name} WHERE item_id IN ({items})"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changed_users AS "
        f"SELECT DISTINCT user_key FROM ({users}) WHERE user_key IN {HAVING_STATES}"
    )
    connection.execute("DELETE FROM night.target_states WHERE user_key IN (FROM changed_users)")
    connection.execute(
        f"DELETE FROM night.profile_states WHERE user_key IN (FROM changed_users) OR item_id IN ({items})"
    )
