"""Names of source files in the ledger: a file that is named after a user is named after the user's key."""

import re
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from feature_store.schemas import USERS
from feature_store.tables.suppressions import NAMELESS

NOBODY = "(SELECT NULL::VARCHAR AS user_id WHERE false)"


@dataclass(frozen=True)
class FileOwner:
    """What the ledger calls a file, and whose it is."""

    name: str
    user_key: int | None = None
    """The one user whom all its records are about, if the file is named after that user."""


def name_file(
    connection: DuckDBPyConnection, name: str, users: str | None, *, forgotten: str = NOBODY
) -> FileOwner:
    """Name a file for the ledger.

    Args:
        connection: a cursor of the lake.
        name: what the file's source calls it: parts of a path.
        users: relation of the ids of the users that its records name, who have keys; None if nobody's.
        forgotten: relation of those of them who were forgotten, and have none.
    """
    if users is None:
        return FileOwner(name)
    found = connection.execute(
        f"SELECT user_id, user_key FROM {USERS.qualified_name} SEMI JOIN {users} USING (user_id) "
        f"WHERE list_contains($1, user_id) UNION ALL SELECT user_id, NULL FROM {forgotten} "
        "WHERE list_contains($1, user_id)",
        [sorted(set(_words(name)))],
    ).fetchall()
    found.sort(key=lambda row: len(row[0]), reverse=True)
    keys = {user_id: NAMELESS if key is None else str(key) for user_id, key in found}
    parts = [_rename(part, keys) for part in name.split("/")]
    num_users = connection.execute(f"SELECT count(*) FROM {users} WHERE user_id IS NOT NULL").fetchall()[0][0]
    return FileOwner("/".join(parts), found[0][1] if found and num_users == 1 else None)


def _words(name: str) -> list[str]:
    """What a part of a path may be named after: all of it, what stands before a dot, or after a `=`."""
    return [word for part in name.split("/") for word in _candidates(part)]


def _candidates(part: str) -> list[str]:
    dots = [match.start() for match in re.finditer(r"\.", part)]
    stems = [part, *(part[:dot] for dot in dots)]
    return stems + [stem.partition("=")[2] for stem in stems if "=" in stem]


def _rename(part: str, keys: dict[str, str]) -> str:
    for word in sorted(_candidates(part), key=len, reverse=True):
        if word in keys:
            return part.replace(word, keys[word], 1)
    return part
