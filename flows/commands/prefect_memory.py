"""What Prefect remembers of the flows in the workspace: a failure's message may name a user's own file."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

TABLES_OF_MESSAGES = ("flow_run_state", "task_run_state", "log")
"""Their messages are blanked: what they belong to stays."""
TABLES_OF_COPIES = {"event_resources": ("resource",), "events": ("resource", "related", "payload")}
"""Tables, and their columns, that repeat the same for a page of what happened: their rows go."""


def erase_from_prefect(database: Path, user_id: str) -> int:
    """Take a user's id, as a word of its own, out of Prefect's SQLite file; return the number of rows.

    A server that is running on the file meanwhile goes on.
    """
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        connection.create_function("names_user", 1, _matcher(user_id), deterministic=True)
        num_rows = sum(connection.execute(sql).rowcount for sql in _statements())
        if num_rows:
            for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                connection.execute(statement).fetchall()
    return num_rows


def _statements() -> Iterator[str]:
    for table in TABLES_OF_MESSAGES:
        yield f"UPDATE {table} SET message = '' WHERE names_user(message)"
    for table, columns in TABLES_OF_COPIES.items():
        yield f"DELETE FROM {table} WHERE {' OR '.join(f'names_user({column})' for column in columns)}"


def _matcher(user_id: str) -> Callable[[object], bool]:
    """Make a function that tells whether a text, perhaps written as JSON, names the user."""
    spellings = {user_id, json.dumps(user_id)[1:-1]}
    pattern = re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, spellings))})(?![^\W_])")
    return lambda text: text is not None and pattern.search(str(text)) is not None
