"""Users who were forgotten, known by a salted digest: the same log delivered again does not bring them back.

Who holds the lake and an id can tell whether that id was forgotten; nobody can read from it whose they are.
A user comes back with an event of after the erasure, or when the suppression is lifted.
"""

import re
import secrets
from urllib.parse import unquote

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.relations import keep
from feature_store.lake.sql import quote
from feature_store.schemas import OPT_OUTS, SUPPRESSIONS, USERS

TABLE = SUPPRESSIONS.qualified_name
NAMELESS = "forgotten"
"""What stands in a file's name for a user who was forgotten."""


def suppress(connection: DuckDBPyConnection, user_key: int) -> None:
    """Note that a user is forgotten now, inside the transaction that does it, before the key goes."""
    salt = _salt(connection) or secrets.token_hex(16)
    digest = _digest("user_id", salt)
    (row,) = connection.execute(
        f"SELECT {digest}, user_key IN (SELECT user_key FROM {OPT_OUTS.qualified_name}) "
        f"FROM {USERS.qualified_name} WHERE user_key = ?",
        [user_key],
    ).fetchall()
    connection.execute(f"DELETE FROM {TABLE} WHERE user_digest = ?", [row[0]])
    connection.execute(f"INSERT INTO {TABLE} VALUES ($1, $2, now(), $3)", [row[0], salt, row[1]])


def lift(lake: Lake, user_id: str) -> bool:
    """Let what logs say of a forgotten user count again; tell whether the user was forgotten."""
    salt = _salt(lake.cursor())
    if salt is None:
        return False
    delete = f"DELETE FROM {TABLE} WHERE user_digest = {_digest('$user_id', salt)}"
    deleted = lake.write(
        lambda connection: connection.execute(delete, {"user_id": user_id}).fetchall(), "lift a suppression"
    )
    return bool(deleted[0][0])


def carry_on(before: Lake, lake: Lake) -> list[int]:
    """Take over who was forgotten and who opted out in the lake that another one takes the place of.

    Args:
        before: the lake of before.
        lake: an older state of it.

    Returns:
        Keys of the users in `lake` who were forgotten since.
    """
    known = {row[0] for row in lake.cursor().execute(f"SELECT user_digest FROM {TABLE}").fetchall()}
    rows = before.cursor().execute(f"FROM {TABLE}").fetchall()
    new = [row for row in rows if row[0] not in known]
    opted_out = before.cursor().execute(f"FROM {OPT_OUTS.qualified_name}").fetchall()

    def write(connection: DuckDBPyConnection) -> list[int]:
        for row in new:
            connection.execute(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?)", list(row))
        for row in opted_out:
            connection.execute(
                f"INSERT INTO {OPT_OUTS.qualified_name} SELECT $1, $2 "
                f"WHERE $1 IN (SELECT user_key FROM {USERS.qualified_name}) "
                f"AND $1 NOT IN (SELECT user_key FROM {OPT_OUTS.qualified_name})",
                list(row),
            )
        found = connection.execute(
            f"SELECT DISTINCT user_key FROM {USERS.qualified_name}, {TABLE} "
            "WHERE sha256(concat(salt, user_id)) = user_digest AND list_contains(?, user_digest)",
            [[row[0] for row in new]],
        ).fetchall()
        return [int(key) for (key,) in found]

    return lake.write(write, "carry on who was forgotten")


def list_forgotten(connection: DuckDBPyConnection, users: str) -> str:
    """Find those of some users who were forgotten.

    Args:
        connection: a cursor of the lake.
        users: relation of distinct `user_id`s.

    Returns:
        Relation of `user_id`, `erased_at`, `opted_out`, and `is_back`, whether they have a key again.
    """
    salt = _salt(connection) or ""
    is_back = f"user_id IN (SELECT user_id FROM {USERS.qualified_name})"
    return keep(
        connection,
        "forgotten_users",
        f"SELECT user_id, erased_at, opted_out, {is_back} AS is_back "
        f"FROM (SELECT user_id, {_digest('user_id', salt)} AS user_digest FROM {users}) "
        f"JOIN {TABLE} USING (user_digest)",
    )


def is_forgotten(lake: Lake, user_id: str) -> bool:
    """Tell whether a user was forgotten, whether they came back since or not."""
    salt = _salt(lake.cursor())
    if salt is None:
        return False
    found = lake.query(
        f"SELECT 1 FROM {TABLE} WHERE user_digest = {_digest('$user_id', salt)}", {"user_id": user_id}
    )
    return bool(found.num_rows)


def is_anybody_forgotten(lake: Lake) -> bool:
    """Tell whether any user was ever forgotten."""
    return _salt(lake.cursor()) is not None


def names_in(part: str) -> dict[str, str]:
    """What a part of a path may be named after, as it is written there, with what that means.

    All of it, what stands before a dot, or after a `=`, as Hive names folders, where `%25` means `%`.
    """
    stems = [part, *(part[: dot.start()] for dot in re.finditer(r"\.", part))]
    written = [*stems, *(stem.partition("=")[2] for stem in stems if "=" in stem)]
    return {word: unquote(word) for word in written}


def without_forgotten(lake: Lake, text: str) -> str:
    """Write a file's name, or what is said of it, without the forgotten user whom it is named after."""
    connection = lake.cursor()
    salt = _salt(connection)
    if salt is None:
        return text
    # What is said of a file follows its name after a blank.
    parts = [some for part in text.split("/") for some in (part, part.split(" ")[0])]
    words = {written: meant for part in parts for written, meant in names_in(part).items()}
    values = ", ".join(f"({quote(written)}, {quote(meant)})" for written, meant in sorted(words.items()))
    found = connection.execute(
        f"SELECT word FROM (VALUES {values}) AS named (word, user_id) "
        f"WHERE {_digest('user_id', salt)} IN (SELECT user_digest FROM {TABLE}) "
        f"AND user_id NOT IN (SELECT user_id FROM {USERS.qualified_name})"
    ).fetchall()
    for (word,) in found:
        text = text.replace(word, NAMELESS)
    return text


def _salt(connection: DuckDBPyConnection) -> str | None:
    """Return the lake's salt, None as long as nobody was forgotten."""
    row = connection.execute(f"SELECT any_value(salt) FROM {TABLE}").fetchall()[0]
    return None if row[0] is None else str(row[0])


def _digest(user_id: str, salt: str) -> str:
    return f"sha256(concat({quote(salt)}, {user_id}))"
