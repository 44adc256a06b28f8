"""Users and their pseudonyms: a random key stands for a user in every table, file, log and picture.

A key is drawn when a source first names the user, from a secret that is thrown away; only `users` says whose
it is. Without that row nobody can tell.
"""

import secrets

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import USERS


class UnknownUserError(LookupError):
    """No source ever named the user, or the user has no history that could be used."""


def find_key(lake: Lake, user_id: str) -> int:
    """Return the key of a user.

    Raises:
        UnknownUserError: if no source ever named the user.
    """
    key = look_up_key(lake, user_id)
    if key is None:
        raise UnknownUserError(
            f"user {user_id} is unknown: no log or list that was taken in has this id; check its spelling"
        )
    return key


def look_up_key(lake: Lake, user_id: str) -> int | None:
    """Return the key of a user, None for one whom no source ever named."""
    keys = lake.query(f"SELECT user_key FROM {USERS.qualified_name} WHERE user_id = ?", [user_id])
    found = keys["user_key"].to_pylist()
    return found[0] if found else None


def add_users(connection: DuckDBPyConnection, users: str) -> bool:
    """Write new users with the keys that were drawn for them.

    Args:
        connection: inside a transaction.
        users: relation of distinct `user_id`s and `user_key`s.

    Returns:
        Whether it was done: not if one of them has a key already, which another writer drew.
    """
    known = f"FROM {users} SEMI JOIN {USERS.qualified_name} USING (user_id) LIMIT 1"
    if connection.execute(known).fetchall():
        return False
    connection.execute(
        f"INSERT INTO {USERS.qualified_name} (user_key, user_id) SELECT user_key, user_id FROM {users}"
    )
    return True


def give_keys(connection: DuckDBPyConnection, users: str) -> None:
    """Give every user who has none a key.

    Args:
        connection: inside a transaction.
        users: SQL of distinct user ids, as `user_id`; NULL is nobody.
    """
    secret = secrets.token_hex(16)
    connection.execute(
        f"INSERT INTO {USERS.qualified_name} (user_key, user_id) "
        "SELECT (md5_number_lower(concat($secret, user_id)) & 9223372036854775807)::BIGINT, user_id "
        f"FROM ({users}) AS named "
        f"WHERE user_id IS NOT NULL AND user_id NOT IN (SELECT user_id FROM {USERS.qualified_name})",
        {"secret": secret},
    )
