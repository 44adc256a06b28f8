"""Records of users who were forgotten: a log that is delivered again does not bring them back.

They are left out as if they had never been there, as the ledger counts after an erasure. A user comes back
with an event of after it: then the events of before stay out, and a former opt-out holds.
"""

from duckdb import DuckDBPyConnection

from feature_store.schemas import INTERACTIONS, ITEMS, OPT_OUTS, USERS, Table
from feature_store.tables.suppressions import FORGOTTEN
from feature_store.tables.users import give_keys

WELCOME = f"""(
    SELECT user_id FROM named_users
    WHERE user_id NOT IN (SELECT user_id FROM {FORGOTTEN} WHERE NOT is_back)
)"""
"""Users of the file who may have a key."""
GONE = f"(SELECT user_id FROM {FORGOTTEN} WHERE NOT is_back)"
"""Users of the file who were forgotten and are not back."""


def find_returned(connection: DuckDBPyConnection, table: Table, records: str) -> None:
    """Mark the forgotten users of whom the records have an event of after their erasure as back."""
    if table is INTERACTIONS:
        connection.execute(
            f"UPDATE {FORGOTTEN} SET is_back = true WHERE user_id IN ("
            f"SELECT new.user_id FROM ({records}) AS new JOIN {FORGOTTEN} AS gone USING (user_id) "
            "WHERE new.reason IS NULL AND new.event_time >= gone.erased_at)"
        )


def leave_out(connection: DuckDBPyConnection, table: Table, records: str) -> str:
    """Return the records without those of forgotten users.

    Refused records that are nobody's lose their text: nobody can tell whose they are.
    """
    if table is ITEMS:
        named = f"(SELECT count(*) FROM {WELCOME})"
        return f"SELECT * REPLACE (NULL::VARCHAR AS raw) FROM ({records}) WHERE {named} > 0"
    before = "new.event_time < gone.erased_at" if table is INTERACTIONS else "false"
    return (
        "SELECT new.* REPLACE (CASE WHEN new.user_id IS NOT NULL THEN new.raw END AS raw) "
        f"FROM ({records}) AS new LEFT JOIN {FORGOTTEN} AS gone ON gone.user_id = new.user_id "
        f"WHERE gone.user_id IS NULL OR (gone.is_back AND NOT coalesce({before}, false))"
    )


def welcome(connection: DuckDBPyConnection) -> None:
    """Give the file's new users keys, and those who came back what they had chosen before they left."""
    give_keys(connection, f"FROM {WELCOME}")
    connection.execute(
        f"INSERT INTO {OPT_OUTS.qualified_name} SELECT user_key, now() "
        f"FROM {USERS.qualified_name} JOIN {FORGOTTEN} USING (user_id) "
        f"WHERE is_back AND opted_out AND user_key NOT IN (SELECT user_key FROM {OPT_OUTS.qualified_name}) "
        f"AND user_key NOT IN (SELECT user_key FROM {INTERACTIONS.qualified_name})"
    )
