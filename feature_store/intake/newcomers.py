"""Users without keys who are met while records stream by, so that no file is read twice to list its users.

It pays where nearly all records are of users who have keys, as on most nights. Otherwise, and where somebody
whom the records name was forgotten, the users are listed first (see `staged_batches`).
"""

import secrets
import threading
import uuid
from typing import TYPE_CHECKING

import pyarrow as pa
from duckdb import DuckDBPyConnection
from duckdb.func import FunctionNullHandling

from feature_store.lake.lake import Lake
from feature_store.lake.relations import count
from feature_store.schemas import USERS
from feature_store.tables.suppressions import is_anybody_forgotten, list_forgotten
from feature_store.tables.users import add_users, give_keys

if TYPE_CHECKING:
    from feature_store.intake.staging import StagedFile

NUM_PROBED = 100_000
"""Of the first records, by which the others are judged."""
LEAST_KNOWN = 0.75
"""Share of records whose users have keys: to ask for those of all others takes longer than to list them."""
MOST_NEWCOMERS = 1_000_000
"""Of whom keys are kept in memory: about 200 MB."""
_SCHEMA = pa.schema([("user_id", pa.string()), ("user_key", pa.int64())])


def are_mostly_known(connection: DuckDBPyConnection, users: str) -> bool:
    """Tell whether most of the first records are of users who have keys.

    Args:
        connection: a cursor of the lake.
        users: SQL of the `user_id` of each record, read as it is queried.
    """
    first = f"SELECT user_id FROM ({users}) LIMIT {NUM_PROBED}"
    known = f"count(*) FILTER (user_id IN (SELECT user_id FROM {USERS.qualified_name}))"
    ((num_known, num_records),) = connection.execute(f"SELECT {known}, count(*) FROM ({first})").fetchall()
    return bool(num_records) and num_known >= LEAST_KNOWN * num_records


class Newcomers:
    """Users whom a query meets for the first time, with the keys that it gives them.

    Args:
        connection: whose queries may give keys, until `close`.
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection, self._name = connection, f"newcomers_{uuid.uuid4().hex}"
        self._keys: dict[str, int] = {}
        self._lock = threading.Lock()
        # A function of whole columns costs a thousand times as much a call, and most calls are of few rows.
        connection.create_function(
            self._name,
            self._key_of,
            ["VARCHAR"],
            "BIGINT",
            null_handling=FunctionNullHandling.SPECIAL,
            side_effects=True,
        )

    def key_sql(self, user_key: str, user_id: str) -> str:
        """SQL of a user's key: the one that is known, or else a new one.

        Args:
            user_key: SQL of the known one, or NULL.
            user_id: SQL of who it is.
        """
        return f"CASE WHEN {user_key} IS NULL THEN {self._name}({user_id}) ELSE {user_key} END"

    def _key_of(self, user_id: str) -> int | None:
        with self._lock:
            key = self._keys.get(user_id)
            if key is None and len(self._keys) < MOST_NEWCOMERS:
                key = self._keys[user_id] = secrets.randbits(63)
            return key

    def named(self, staged: "StagedFile") -> str:
        """Relation of `place` (of a file) and `user_id` of each user whom records name, NULL for nobody."""
        self._connection.register(self._name, self._table)
        keys = f"SELECT user_id, user_key FROM {USERS.qualified_name} UNION ALL FROM {self._name}"
        return (
            f"(SELECT place, user_id FROM {staged.rows} JOIN ({keys}) USING (user_key) "
            f"UNION SELECT place, user_id FROM {staged.refused})"
        )

    @property
    def _table(self) -> pa.Table:
        return pa.table([list(self._keys), list(self._keys.values())], schema=_SCHEMA)

    def can_stay(self, lake: Lake, named: str) -> bool:
        """Tell whether the keys count: all who had none have one, and none of the users was forgotten.

        Args:
            lake: that forgot users, if any.
            named: what `named` made.
        """
        if len(self._keys) >= MOST_NEWCOMERS:
            return False
        if not is_anybody_forgotten(lake):
            return True
        forgotten = list_forgotten(self._connection, f"(SELECT DISTINCT user_id FROM {named})")
        return not count(self._connection, forgotten)

    def are_any(self, staged: "StagedFile") -> bool:
        """Tell whether records name somebody without a key."""
        refused = f"FROM {staged.refused} WHERE user_id NOT IN (SELECT user_id FROM {USERS.qualified_name})"
        return bool(self._keys) or bool(self._connection.execute(f"{refused} LIMIT 1").fetchall())

    def welcome(self, connection: DuckDBPyConnection, staged: "StagedFile") -> bool:
        """Write the keys, and give keys to users of whom there are refused records only.

        Args:
            connection: inside a transaction.
            staged: the records, for which `named` was asked before.

        Returns:
            Whether the keys count: not if another writer has given one of the users a key.
        """
        if not add_users(connection, self._name):
            return False
        give_keys(connection, f"SELECT DISTINCT user_id FROM {staged.refused}")
        return True

    def close(self) -> None:
        """Take what gives keys from the connection."""
        self._connection.remove_function(self._name)
        self._connection.unregister(self._name)
