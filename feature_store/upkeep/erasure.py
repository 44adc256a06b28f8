"""Erasure: a user who leaves is gone from every table, and so is what only they had.

Nobody can tell whose a key was once its row in `users` is deleted, and every row about the user has the key.
Rows go in one transaction; `maintenance.purge_lake` then takes away the old snapshots that still hold them.
"""

from duckdb import DuckDBPyConnection

from feature_store.history.neighbours import OWED
from feature_store.lake.lake import Lake
from feature_store.lake.reader_views import freeze_view
from feature_store.lake.sql import LAKE
from feature_store.schemas import PUBLISHED_TABLES, TABLES
from feature_store.tables.suppressions import suppress

FORGETTING = "forget a user"
"""Message of the snapshot that erases."""

OWN_ITEMS = """
    CREATE OR REPLACE TEMP TABLE own_items AS
    SELECT item_id FROM (
        SELECT item_id, source, ingested_at FROM items
        UNION ALL SELECT item_id, source, ingested_at FROM superseded_items
    ) SEMI JOIN (
        FROM keyed.ingested_files WHERE user_key = $user_key AND table_name = 'items'
    ) USING (source, ingested_at)
    ANTI JOIN (
        SELECT item_id FROM keyed.interactions WHERE user_key <> $user_key
        UNION ALL SELECT item_id FROM keyed.superseded_interactions WHERE user_key <> $user_key
        UNION ALL SELECT item_id FROM night.targets WHERE user_key <> $user_key
    ) USING (item_id)
"""
"""Items of the user's own files that nobody else met or is to see: their texts are the user's own (prompts).

Items of a catalogue that is everybody's stay, whoever met them.
"""

OF_ITEMS = (
    "items", "superseded_items", "descriptions", "start_pictures", "reference_pictures", "keyed.target_lists",
)  # fmt: skip
"""Tables whose rows about items of the user's own go."""

OWN_TEXTS = """
    CREATE OR REPLACE TEMP TABLE own_texts AS
    WITH text AS (
        SELECT item_id, reference_id FROM items UNION ALL SELECT item_id, reference_id FROM superseded_items
    )
    SELECT reference_id FROM text SEMI JOIN own_items USING (item_id)
    EXCEPT SELECT reference_id FROM text ANTI JOIN own_items USING (item_id)
"""
"""Texts of those items that no other item has."""
OF_OWN_TEXTS = "crowd_id IN (SELECT crowd_id FROM crowds SEMI JOIN own_texts USING (reference_id))"
"""Crowds with such a text: whoever else had it has left before."""

LEAVING = """
    CREATE OR REPLACE TEMP TABLE leaving AS
    SELECT source, ingested_at, 'interactions' AS table_name, count(*) AS num_rows
    FROM (
        SELECT source, ingested_at, user_key FROM keyed.interactions
        UNION ALL SELECT source, ingested_at, user_key FROM keyed.superseded_interactions
    ) WHERE user_key = $user_key GROUP BY ALL
    UNION ALL
    SELECT source, ingested_at, 'items', count(*)
    FROM (
        SELECT source, ingested_at, item_id FROM items
        UNION ALL SELECT source, ingested_at, item_id FROM superseded_items
    ) SEMI JOIN own_items USING (item_id) GROUP BY ALL
"""
"""How many accepted rows of each file go."""
CORRECT_LEDGER = """
    UPDATE keyed.ingested_files AS entry
    SET rows_read = entry.rows_read - num_rows, accepted = entry.accepted - num_rows
    FROM leaving
    WHERE entry.source = leaving.source AND entry.table_name = leaving.table_name
        AND entry.ingested_at = leaving.ingested_at
"""
DISOWN_FILES = "UPDATE keyed.ingested_files SET user_key = NULL WHERE user_key = $user_key"
"""What is left of the user's own files are counts, under a name that is a number."""
BLANK_REJECTS = """
    UPDATE keyed.rejected_rows SET raw = NULL, user_key = NULL
    WHERE user_key = $user_key OR (user_key IS NULL AND raw IS NOT NULL)
"""
"""A record that was refused stays counted, with its line and reason. Nobody knows whose those without a user
are: any of them may be of the one who leaves."""

DROP_NOTES = """
    DELETE FROM notes WHERE EXISTS (
        FROM keyed.users
        WHERE user_key = $user_key AND (contains(message, user_id) OR contains(file, user_id)
            OR contains(message, url_encode(user_id)) OR contains(file, url_encode(user_id)))
    )
"""
"""A file that could not be read may be named after its user, a folder as Hive writes it."""

OWING = f"""
    CREATE OR REPLACE TEMP TABLE owing AS
    SELECT user_key, item_id FROM night.profiles WHERE reference_item_id IN (FROM own_items)
    UNION SELECT user_key, item_id FROM profiles WHERE reference_item_id IN (FROM own_items)
    UNION {OWED.format(profiles="night.profiles")}
    UNION {OWED.format(profiles="profiles")}
"""
"""Pairs whose profile, whosever it is, owes something to an item of the user's own, or to the user alone."""


def erase_user(lake: Lake, user_key: int) -> int:
    """Delete a user's rows, the items that only they had, and last of all the key, in one transaction.

    What is published stays so, without them. The ledger counts as if their accepted rows had never been
    there. Records that were refused stay in it, without the text of those that are the user's or nobody's.
    What others got from an item of the user's own, or of any that the user alone liked (see `neighbours`),
    goes, too, and so does a crowd with a text of such an item; the next night makes them anew. Nothing else
    of others is touched. A salted digest stays, so that what logs say of before does not bring the user back
    (see `suppressions`).

    Returns:
        Number of rows deleted.
    """

    def erase(connection: DuckDBPyConnection) -> int:
        for statement in (OWN_ITEMS, OWN_TEXTS, OWING, LEAVING):
            connection.execute(statement, {"user_key": user_key} if "$user_key" in statement else {})
        others = f"user_key <> {user_key} AND (user_key, item_id) NOT IN (FROM owing)"
        for published in PUBLISHED_TABLES:
            freeze_view(connection, published, others)
        suppress(connection, user_key)
        for statement in (CORRECT_LEDGER, BLANK_REJECTS, DISOWN_FILES, DROP_NOTES):
            connection.execute(statement, {"user_key": user_key} if "$user_key" in statement else {})
        num_rows = sum(
            _delete(connection, f"night.{name}", "(user_key, item_id) IN (FROM owing)")
            for name in ("profiles", "profile_states", "artworks")
        )
        for table in OF_ITEMS:
            num_rows += _delete(connection, table, "item_id IN (FROM own_items)")
        num_rows += _delete(connection, "crowds", OF_OWN_TEXTS)
        return num_rows + sum(
            _delete(connection, table.qualified_name, f"user_key = {user_key}")
            for table in TABLES
            if table.has_users
        )

    return lake.write(erase, FORGETTING)


def is_forgetting_unfinished(lake: Lake) -> bool:
    """Tell whether a user was erased and the snapshots of before are still there (see `purge_lake`)."""
    snapshots = lake.query(
        f"SELECT count(*) AS n FROM {LAKE}.snapshots() WHERE commit_message = ?", [FORGETTING]
    )
    return bool(snapshots["n"][0].as_py())


def _delete(connection: DuckDBPyConnection, table: str, condition: str) -> int:
    return int(connection.execute(f"DELETE FROM {table} WHERE {condition}").fetchall()[0][0])
