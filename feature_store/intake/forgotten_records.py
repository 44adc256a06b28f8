"""Records of users who were forgotten: a log that is delivered again does not bring them back.

They are left out as if they had never been there, as the ledger counts after an erasure. A user comes back
with an event of after it: then the events of before stay out, and a former opt-out holds.
"""

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from feature_store.lake.reader_views import WILLING
from feature_store.lake.relations import keep
from feature_store.schemas import INTERACTIONS, ITEMS, OPT_OUTS, USERS, Table
from feature_store.tables.suppressions import list_forgotten
from feature_store.tables.users import give_keys


@dataclass(frozen=True)
class NamedUsers:
    """Users whom files name; relations."""

    rows: str
    """`place` (of a file) and `user_id` of each."""
    forgotten: str
    """Those who were forgotten: `user_id`, `erased_at`, `opted_out`, and `is_back`, whether they have keys
    again."""

    @property
    def gone(self) -> str:
        """Those of `rows` who were forgotten and are not back."""
        return f"(FROM {self.rows} SEMI JOIN (FROM {self.forgotten} WHERE NOT is_back) USING (user_id))"

    @property
    def welcome(self) -> str:
        """Those of `rows` who may have a key."""
        return f"(FROM {self.rows} ANTI JOIN (FROM {self.forgotten} WHERE NOT is_back) USING (user_id))"

    @property
    def touched(self) -> str:
        """The `place` of each file that names somebody who was forgotten."""
        return f"(SELECT place FROM {self.rows} SEMI JOIN {self.forgotten} USING (user_id))"


def list_named(connection: DuckDBPyConnection, users: str) -> NamedUsers:
    """List whom files name.

    Args:
        connection: a cursor of the lake.
        users: SQL of the `place` and `user_id` of each record, which is run once.
    """
    rows = keep(connection, "named_users", f"SELECT DISTINCT place, user_id FROM ({users})")
    return NamedUsers(rows, list_forgotten(connection, f"(SELECT DISTINCT user_id FROM {rows})"))


def find_returned(connection: DuckDBPyConnection, table: Table, records: str, named: NamedUsers) -> int:
    """Mark the forgotten users of whom the records have an event of after their erasure as back.

    Returns:
        The number of those who were not back before.
    """
    if table is not INTERACTIONS:
        return 0
    changed = connection.execute(
        f"UPDATE {named.forgotten} SET is_back = true WHERE NOT is_back AND user_id IN ("
        f"SELECT new.user_id FROM ({records}) AS new JOIN {named.forgotten} AS gone USING (user_id) "
        "WHERE new.reason IS NULL AND new.event_time >= gone.erased_at)"
    )
    return int(changed.fetchall()[0][0])


def leave_out(table: Table, records: str, named: NamedUsers) -> str:
    """Return the records without those of forgotten users.

    Refused records of their files that are nobody's lose their text: nobody can tell whose they are.
    """
    untouched = f"place NOT IN {named.touched}"
    if table is ITEMS:
        return (
            f"SELECT * REPLACE (CASE WHEN {untouched} THEN raw END AS raw) FROM ({records}) "
            f"WHERE {untouched} OR place IN (SELECT place FROM {named.welcome})"
        )
    before = "new.event_time < gone.erased_at" if table is INTERACTIONS else "false"
    told = f"new.user_id IS NOT NULL OR new.{untouched}"
    return (
        f"SELECT new.* REPLACE (CASE WHEN {told} THEN new.raw END AS raw) "
        f"FROM ({records}) AS new LEFT JOIN {named.forgotten} AS gone ON gone.user_id = new.user_id "
        f"WHERE gone.user_id IS NULL OR (gone.is_back AND NOT coalesce({before}, false))"
    )


def welcome(connection: DuckDBPyConnection, named: NamedUsers) -> None:
    """Give the files' new users keys, and those who came back what they had chosen before they left."""
    give_keys(connection, f"SELECT DISTINCT user_id FROM {named.welcome}")
    connection.execute(
        f"INSERT INTO {OPT_OUTS.qualified_name} SELECT user_key, now() "
        f"FROM {USERS.qualified_name} JOIN {named.forgotten} USING (user_id) "
        f"WHERE is_back AND opted_out AND {WILLING} "
        f"AND user_key NOT IN (SELECT user_key FROM {INTERACTIONS.qualified_name})"
    )
