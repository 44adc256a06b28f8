"""Names of source files in the ledger: a file that is named after a user is named after the user's key."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.sql import arrow_rows
from feature_store.schemas import USERS
from feature_store.tables.suppressions import NAMELESS, names_in

_NOBODY = "(SELECT NULL::INTEGER AS place, NULL::VARCHAR AS user_id WHERE false)"
_WORDS = pa.schema([("place", pa.int32()), ("user_id", pa.string())])


def nameless_sql(file: str) -> str:
    """SQL: whether a name of the ledger has lost that of a user who was forgotten (see `_rename`)."""
    return f"regexp_matches({file}, '(^|[/=]){NAMELESS}([./]|$)')"


@dataclass(frozen=True)
class FileOwner:
    """What the ledger calls a file, and whose it is."""

    name: str
    user_key: int | None = None
    """The one user whom all its records are about, if the file is named after that user."""


def name_files(
    connection: DuckDBPyConnection, names: Sequence[str], users: str, *, forgotten: str = _NOBODY
) -> list[FileOwner]:
    """Name files for the ledger.

    Args:
        connection: a cursor of the lake.
        names: what the files' source calls them: parts of a path.
        users: relation of the `place` of a file and the `user_id` of each user whom its records name, who
            have keys.
        forgotten: relation of those of them who were forgotten, and have none.
    """
    words = [(place, word) for place, name in enumerate(names) for word in sorted(_words(name))]
    connection.register("words_of_names", arrow_rows(_WORDS, words))
    if not _may_be_users(connection, forgotten):
        return [FileOwner(name) for name in names]
    found = connection.execute(
        f"SELECT place, user_id, user_key FROM words_of_names SEMI JOIN {users} USING (place, user_id) "
        f"JOIN {USERS.qualified_name} USING (user_id) UNION ALL "
        f"SELECT place, user_id, NULL FROM words_of_names SEMI JOIN {forgotten} USING (place, user_id)"
    ).fetchall()
    if not found:
        return [FileOwner(name) for name in names]
    counted = f"SELECT place, count(*) FROM {users} WHERE user_id IS NOT NULL GROUP BY place"
    num_users = dict(connection.execute(counted).fetchall())
    of_place: defaultdict[int, list[tuple[str, int | None]]] = defaultdict(list)
    for place, user_id, user_key in found:
        of_place[place].append((user_id, user_key))
    return [_name(name, of_place[place], num_users.get(place, 0)) for place, name in enumerate(names)]


def _may_be_users(connection: DuckDBPyConnection, forgotten: str) -> bool:
    """Whether any word is somebody's id; to find who is named in which file costs more."""
    ids = f"SELECT user_id FROM {USERS.qualified_name} UNION ALL SELECT user_id FROM {forgotten}"
    found = connection.execute(f"FROM words_of_names SEMI JOIN ({ids}) USING (user_id) LIMIT 1")
    return bool(found.fetchall())


def _name(name: str, found: list[tuple[str, int | None]], num_users: int) -> FileOwner:
    """Name a file, given those of its users whom its name may be after, and how many it has."""
    found.sort(key=lambda row: len(row[0]), reverse=True)
    keys = {user_id: NAMELESS if key is None else str(key) for user_id, key in found}
    parts = [_rename(part, keys) for part in name.split("/")]
    return FileOwner("/".join(parts), found[0][1] if found and num_users == 1 else None)


def _words(name: str) -> set[str]:
    return {meant for part in name.split("/") for meant in names_in(part).values()}


def _rename(part: str, keys: dict[str, str]) -> str:
    for written, meant in sorted(names_in(part).items(), key=lambda names: len(names[0]), reverse=True):
        if key := keys.get(meant):
            return part.replace(written, key, 1)
    return part
