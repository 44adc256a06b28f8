"""Source files into the lake: each content once, every record accounted for, each file in one transaction.

One way for every file: its users are given keys, it is read once into a file of accepted rows and one of
refused ones (`staging`), rows whose keys clash are told apart (`clashes`), and rows, refusals and the ledger
entry are written together: rows_read = accepted + duplicate + rejected.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from duckdb import DuckDBPyConnection

from feature_store import schemas
from feature_store.intake.clashes import (
    MOVED,
    Clashes,
    count,
    find_clashes,
    hash_sql,
    merge,
    moved_id,
    supersede,
)
from feature_store.intake.file_names import FileOwner, name_file
from feature_store.intake.staging import StagedFile, stage
from feature_store.lake.durable_files import checksum
from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import GIVEN_TARGETS, INGESTED_FILES, REJECTED_ROWS, USERS, Table
from feature_store.tables.runs import Run
from feature_store.tables.targets import append_targets
from feature_store.tables.users import give_keys

LARGE_FILE = 2**23
"""From so many bytes on, the lake takes the staged file of a log over, if most of its rows are new."""
LARGEST_SHARE_CLASHING = 0.5
"""Of the rows of a file that is taken over: those that clash are written, then deleted."""
TABLES = {table.name: table for table in (schemas.INTERACTIONS, schemas.ITEMS, schemas.TARGETS)}


class IntakeError(RuntimeError):
    """The lake holds other rows of a file than were counted; nothing of it was taken in."""


class OfferedFile(Protocol):
    """A source file as an adapter offers it."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def name(self) -> str:
        """What its source calls it."""

    @property
    def source(self) -> str:
        """Adapter that reads it."""

    @property
    def table(self) -> str:
        """Table that its records belong to."""

    def records(self, connection: DuckDBPyConnection) -> str:
        """SQL of its records: `line`, `reason` (why it is refused, else NULL), `raw`, the staged columns."""

    def users(self, connection: DuckDBPyConnection) -> str | None:
        """SQL of the ids of the users that it names, as `user_id`; None if its records are nobody's."""


@dataclass(frozen=True, kw_only=True)
class FileCounts:
    """The ledger entry of one file."""

    file: str
    """Its name in the ledger."""
    rows_read: int
    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True)
class _Origin:
    """Values of the columns that say where a row came from."""

    source: str
    file: FileOwner
    sha256: str
    ingested_at: datetime
    run_id: str

    @property
    def common(self) -> dict[str, str]:
        """Values that all rows of the file have, as text."""
        return {"source": self.source, "ingested_at": self.ingested_at.isoformat(), "run_id": self.run_id}


def append_file(lake: Lake, file: OfferedFile, run: Run) -> FileCounts | None:
    """Take a source file in.

    Args:
        lake: where it goes.
        file: what an adapter offers.
        run: the run that takes it in.

    Returns:
        Its ledger entry, or None if the same content was taken in before.

    Raises:
        LakeError: if the disk is full or cannot be written.
        IntakeError: if the lake holds other rows than were counted.
    """
    sha256 = checksum(file.path)
    if _is_known(lake, file, sha256):
        return None
    connection, table = lake.cursor(), TABLES[file.table]
    owner = name_file(connection, file.name, _give_keys(lake, connection, file))
    origin = _Origin(file.source, owner, sha256, datetime.now(UTC), run.run_id)
    common = {name: value for name, value in origin.common.items() if name in table.column_names}
    is_large = table is schemas.INTERACTIONS and file.path.stat().st_size >= LARGE_FILE
    records = _known_by_their_ids(lake, table, file.records(connection), origin)
    with stage(lake, connection, table, records, common=common, is_large=is_large) as staged:
        append = partial(_append, staged=staged, origin=origin)
        return lake.write(append, f"ingest {owner.name}", connection=connection)


def _is_known(lake: Lake, file: OfferedFile, sha256: str) -> bool:
    known = lake.query(
        f"SELECT 1 FROM {INGESTED_FILES.qualified_name} "
        "WHERE source = ? AND table_name = ? AND sha256 = ? LIMIT 1",
        [file.source, file.table, sha256],
    )
    return known.num_rows > 0


def _give_keys(lake: Lake, connection: DuckDBPyConnection, file: OfferedFile) -> str | None:
    """Give the file's users keys, and name the relation of their ids; None if its records are nobody's."""
    users = file.users(connection)
    if users is None:
        return None
    with lake.explain_failures():
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE named_users AS SELECT DISTINCT user_id FROM ({users})"
        )
    strangers = f"(FROM named_users ANTI JOIN {USERS.qualified_name} USING (user_id))"
    if count(connection, strangers):
        lake.write(partial(give_keys, users="FROM named_users"), "new users", connection=connection)
    return "named_users"


def _known_by_their_ids(lake: Lake, table: Table, records: str, origin: _Origin) -> str:
    """Records with the ids that the lake knows moved events by (see `clashes.MOVED`), where there are any."""
    if table is not schemas.INTERACTIONS:
        return records
    moved = (
        f"SELECT interaction_id FROM {table.qualified_name} "
        f"WHERE source = {quote(origin.source)} AND starts_with(interaction_id, '{MOVED}')"
    )
    if not lake.query(f"{moved} LIMIT 1").num_rows:
        return records
    digest = moved_id("interaction_id")
    known_as = f"CASE WHEN {digest} IN ({moved}) THEN {digest} ELSE interaction_id END"
    return f"SELECT * REPLACE ({known_as} AS interaction_id) FROM ({records})"


def _append(connection: DuckDBPyConnection, *, staged: StagedFile, origin: _Origin) -> FileCounts:
    """Write a file's rows, what was refused of it and its ledger entry."""
    is_list = staged.table is schemas.TARGETS
    accepted = (_replace_targets if is_list else _add_rows)(connection, staged, origin)
    rejected = _append_rejects(connection, staged.refused, origin)
    counts = FileCounts(
        file=origin.file.name,
        rows_read=staged.num_rows + rejected,
        accepted=accepted,
        duplicate=staged.num_rows - accepted,
        rejected=rejected,
    )
    _append_ledger(connection, staged.table, origin, counts)
    return counts


def _add_rows(connection: DuckDBPyConnection, staged: StagedFile, origin: _Origin) -> int:
    """Insert new rows and let corrected ones take the place of known ones; return the number of both."""
    table, staged.is_taken_over = staged.table, False
    clashes = find_clashes(connection, table, staged.rows)
    unlike = f"{hash_sql(table)} NOT IN (SELECT hash FROM {clashes.hashes})"
    alone = f"(FROM {staged.rows} WHERE {unlike})" if clashes.num_clashing else staged.rows
    _mark_stale(connection, table, f"(FROM {alone} UNION ALL FROM {clashes.fresh})", clashes)
    if staged.can_be_taken_over and clashes.num_clashing <= staged.num_rows * LARGEST_SHARE_CLASHING:
        staged.take_over(connection)
        if clashes.num_clashing:
            connection.execute(f"DELETE FROM {table.qualified_name} WHERE {_own(origin)} AND NOT {unlike}")
    else:
        columns = ", ".join(dict.fromkeys([*table.stored, *staged.common]))
        connection.execute(f"INSERT INTO {table.qualified_name} ({columns}) SELECT {columns} FROM {alone}")
    if clashes.num_fresh:
        supersede(connection, table, clashes, origin.ingested_at)
        merge(connection, table, clashes.fresh)
    accepted = staged.num_rows - clashes.num_clashing + clashes.num_fresh
    _check(connection, table, origin, accepted)
    return accepted


def _own(origin: _Origin) -> str:
    """SQL of the rows that this file brought."""
    return f"ingested_at = TIMESTAMPTZ {quote(origin.ingested_at.isoformat())}"


def _check(connection: DuckDBPyConnection, table: Table, origin: _Origin, accepted: int) -> None:
    held = count(connection, f"(FROM {table.qualified_name} WHERE {_own(origin)})")
    if held != accepted:
        raise IntakeError(
            f"{origin.file.name}: the lake would hold {held} rows of it, and {accepted} were counted. "
            "Nothing was taken in; this is a fault of the program: please report it"
        )


def _mark_stale(connection: DuckDBPyConnection, table: Table, new: str, clashes: Clashes) -> None:
    """Take away the states of users whose history changes, with the rows that change it."""
    having = "(SELECT user_key FROM night.target_states UNION ALL SELECT user_key FROM night.profile_states)"
    if not count(connection, having):
        return
    items = "SELECT NULL"
    if table is schemas.ITEMS:
        items = f"SELECT item_id FROM {new}"
        users = f"SELECT user_key FROM {schemas.INTERACTIONS.qualified_name} WHERE item_id IN ({items})"
    else:
        # A correction may give an event to another user: then the histories of both change.
        corrected = (
            f"SELECT user_key FROM {clashes.known} SEMI JOIN {clashes.fresh} USING ({', '.join(table.key)})"
        )
        users = f"SELECT user_key FROM {new} UNION {corrected}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE changed_users AS "
        f"SELECT DISTINCT user_key FROM ({users}) WHERE user_key IN {having}"
    )
    connection.execute("DELETE FROM night.target_states WHERE user_key IN (FROM changed_users)")
    connection.execute(
        f"DELETE FROM night.profile_states WHERE user_key IN (FROM changed_users) OR item_id IN ({items})"
    )


def _replace_targets(connection: DuckDBPyConnection, staged: StagedFile, origin: _Origin) -> int:
    """Let the file's lists stand for those of its users; return the number of targets."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE listed AS "
        f"SELECT DISTINCT ON (user_key, item_id) * FROM {staged.rows} ORDER BY user_key, item_id, rank"
    )
    connection.execute("DELETE FROM night.targets WHERE user_key IN (SELECT user_key FROM listed)")
    append_targets(
        connection, "listed", origin.source, GIVEN_TARGETS, listed_at=origin.ingested_at, run_id=origin.run_id
    )
    return count(connection, "listed")


def _append_rejects(connection: DuckDBPyConnection, refused: str, origin: _Origin) -> int:
    inserted = connection.execute(
        f"INSERT INTO {REJECTED_ROWS.qualified_name} "
        "(source, file, sha256, line, reason, raw, user_key, ingested_at, run_id) "
        "SELECT ?, ?, ?, line, reason, raw, coalesce(user_key, ?), ?, ? "
        f"FROM {refused} LEFT JOIN {USERS.qualified_name} USING (user_id)",
        [
            origin.source,
            origin.file.name,
            origin.sha256,
            origin.file.user_key,
            origin.ingested_at,
            origin.run_id,
        ],
    )
    return int(inserted.fetchall()[0][0])


def _append_ledger(connection: DuckDBPyConnection, table: Table, origin: _Origin, counts: FileCounts) -> None:
    connection.execute(
        f"INSERT INTO {INGESTED_FILES.qualified_name} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            origin.source, origin.file.name, table.name, origin.sha256,
            counts.rows_read, counts.accepted, counts.duplicate, counts.rejected,
            origin.file.user_key, origin.ingested_at, origin.run_id,
        ],
    )  # fmt: skip
