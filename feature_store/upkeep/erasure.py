"""Erasure: a user who leaves is gone from every table, and so is what only they had.

Rows go in one transaction; `upkeep.purge_lake` then takes away the old snapshots that still hold them.
"""

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import LAKE, Lake, freeze_view, frozen_name, quote
from feature_store.schemas import PUBLISHED_TABLES

FORGETTING = "forget a user"
"""Message of the snapshot that erases; it must not name the user."""
FORGOTTEN = "forgotten"
"""What stands in the place of a file's name that named the user."""

OWN_FILES = """
    CREATE OR REPLACE TEMP TABLE own_files AS
    SELECT source, sha256, ingested_at FROM ingested_files WHERE regexp_matches(file, $stem)
    AND (source, sha256) IN (SELECT source, sha256 FROM ingested_files WHERE table_name = 'interactions')
"""
"""Files of events that are named after the user: whatever they hold is the user's own."""

PRIVATE_ITEMS = """
    CREATE OR REPLACE TEMP TABLE private_items AS
    WITH met AS (
        SELECT user_id, item_id FROM interactions
        UNION ALL SELECT user_id, item_id FROM superseded_interactions
        UNION ALL SELECT user_id, item_id FROM night.targets
    )
    SELECT item_id FROM met GROUP BY item_id HAVING bool_and(user_id = $user_id)
    UNION
    SELECT item_id FROM items SEMI JOIN own_files USING (source, ingested_at) ANTI JOIN met USING (item_id)
"""
"""Items that nobody else met or is to see: their texts are the user's own (a prompt, for one)."""

LEAVING = """
    CREATE OR REPLACE TEMP TABLE leaving AS
    SELECT source, ingested_at, 'interactions' AS table_name, count(*) AS num_rows
    FROM (
        SELECT source, ingested_at, user_id FROM interactions
        UNION ALL SELECT source, ingested_at, user_id FROM superseded_interactions
    ) WHERE user_id = $user_id GROUP BY ALL
    UNION ALL
    SELECT source, ingested_at, 'items', count(*)
    FROM (
        SELECT source, ingested_at, item_id FROM items
        UNION ALL SELECT source, ingested_at, item_id FROM superseded_items
    ) SEMI JOIN private_items USING (item_id) GROUP BY ALL
"""
"""How many accepted rows of each file go."""

CORRECTED_FILE = "CASE WHEN regexp_matches(file, $word) THEN $forgotten ELSE file END"
CORRECT_REJECTS = f"""
    UPDATE rejected_rows SET file = {CORRECTED_FILE}, raw = CASE
        WHEN NOT regexp_matches(raw, $word) AND (source, sha256) NOT IN (SELECT source, sha256 FROM own_files)
        THEN raw END
    WHERE regexp_matches(raw, $word) OR regexp_matches(file, $word)
        OR (source, sha256) IN (SELECT source, sha256 FROM own_files)
"""
CORRECTED_LEDGER = f"""
    CREATE OR REPLACE TEMP TABLE corrected_ledger AS
    SELECT source, table_name, ingested_at, {CORRECTED_FILE} AS file, coalesce(num_rows, 0) AS num_rows
    FROM ingested_files LEFT JOIN leaving USING (source, table_name, ingested_at)
    WHERE num_rows IS NOT NULL OR regexp_matches(file, $word)
"""
CORRECT_LEDGER = """
    UPDATE ingested_files AS old
    SET file = new.file, rows_read = old.rows_read - new.num_rows, accepted = old.accepted - new.num_rows
    FROM corrected_ledger AS new
    WHERE old.source = new.source AND old.table_name = new.table_name AND old.ingested_at = new.ingested_at
"""

EVENT_TABLES = ("interactions", "superseded_interactions")
RENAME_EVENTS = """
    UPDATE {table} SET interaction_id = '#' || md5(interaction_id) WHERE regexp_matches(interaction_id, $word)
"""
"""A source may name an event after a user, and then correct whose it was."""

OWING = """
    CREATE OR REPLACE TEMP TABLE owing AS
    SELECT user_id, item_id FROM night.profiles WHERE reference_item_id IN (FROM private_items)
    UNION SELECT user_id, item_id FROM profiles WHERE reference_item_id IN (FROM private_items)
"""
"""Pairs whose profile, whosever it is, owes something to a private item."""


def erase_user(lake: Lake, user_id: str) -> int:
    """Delete a user's rows and the items that only they had, in one transaction.

    What is published stays so, without them; items that others met stay. The ledger counts as if their
    accepted rows had never been there. Records that were refused stay in it, but lose their raw text if it
    names the user or stood in a file of the user's own. Others' events that are named after the user get
    another id. What others got from an item of the user's own (see `neighbours`) goes, too, and the next
    night makes it anew.

    Returns:
        Number of rows deleted.
    """

    def erase(connection: DuckDBPyConnection) -> int:
        connection.execute(OWN_FILES, {"stem": rf"(^|/){_quoted(user_id)}(\.|$)"})
        connection.execute(PRIVATE_ITEMS, {"user_id": user_id})
        connection.execute(OWING)
        connection.execute(LEAVING, {"user_id": user_id})
        for published in PUBLISHED_TABLES:
            freeze_view(
                connection,
                published,
                f"user_id <> {quote(user_id)} AND (user_id, item_id) NOT IN (FROM owing)",
            )
        num_rows = sum(
            _delete(connection, f"night.{name}", "(user_id, item_id) IN (FROM owing)")
            for name in ("profiles", "profile_states", "artworks")
        )
        for name in _tables_of_users(connection):
            num_rows += _delete(connection, name, "user_id = ?", user_id)
        for table in ("items", "superseded_items", "target_lists"):
            num_rows += _delete(connection, table, "item_id IN (FROM private_items)")
        _erase_names(connection, user_id)
        return num_rows

    return lake.write(erase, FORGETTING)


def is_forgetting_unfinished(lake: Lake) -> bool:
    """Tell whether a user was erased and the snapshots of before are still there (see `purge_lake`)."""
    snapshots = lake.query(
        f"SELECT count(*) AS n FROM {LAKE}.snapshots() WHERE commit_message = ?", [FORGETTING]
    )
    return bool(snapshots["n"][0].as_py())


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
    """Take the user's id, as a word of its own, out of refused records and the names of files and events."""
    names_user = {"word": rf"(^|[^\pL\pN]){_quoted(user_id)}($|[^\pL\pN])", "forgotten": FORGOTTEN}
    connection.execute(CORRECT_REJECTS, names_user)
    connection.execute(CORRECTED_LEDGER, names_user)
    connection.execute(CORRECT_LEDGER)
    for table in EVENT_TABLES:
        connection.execute(RENAME_EVENTS.format(table=table), {"word": names_user["word"]})


def _quoted(text: str) -> str:
    r"""Write a text as a pattern that matches nothing else: \Q...\E, which an E of its own would end."""
    return r"\Q" + text.replace(r"\E", r"\E\\E\Q") + r"\E"
