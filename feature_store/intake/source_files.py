"""Source files into the lake: nothing lost, nothing twice, corrections replace.

One way for every file: its users are given keys, it is read once into a file of accepted rows and one of
refused ones (`staging`), rows whose keys clash are told apart (`clashes`), and rows, refusals and the ledger
entry are written together: rows_read = accepted + duplicate + rejected.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

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
from feature_store.intake.deliveries import append_lists, reading_of
from feature_store.intake.file_names import NOBODY, name_file
from feature_store.intake.forgotten_records import GONE, WELCOME, find_returned, leave_out, welcome
from feature_store.intake.item_fields import combine_with_known
from feature_store.intake.ledger import (
    Entry,
    FileCounts,
    OfferedFile,
    Origin,
    append_entry,
    append_rejects,
    content_digest,
    is_known,
    now,
)
from feature_store.intake.staging import StagedFile, stage
from feature_store.intake.stale_states import mark_stale
from feature_store.intake.withdrawal import withdraw
from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import ITEMS, USERS, Table
from feature_store.tables.runs import Run
from feature_store.tables.suppressions import list_forgotten

LARGE_FILE = 2**23
"""From so many bytes on, the lake takes the staged file of a log over, if most of its rows are new."""
LARGEST_SHARE_CLASHING = 0.5
"""Of the rows of a file that is taken over: those that clash are written, then deleted."""
TABLES = {table.name: table for table in (schemas.INTERACTIONS, schemas.ITEMS, schemas.TARGETS)}


File = TypeVar("File", bound=OfferedFile)


class IntakeError(RuntimeError):
    """The lake holds other rows of a file than were counted; nothing of it was taken in."""


def append_file(
    lake: Lake,
    file: OfferedFile,
    run: Run,
    *,
    sha256: str | None = None,
    earlier: Sequence[Entry] = (),
    is_wanted: bool = False,
) -> FileCounts | None:
    """Take a source file of interactions or items in.

    Args:
        lake: where it goes.
        file: what an adapter offers.
        run: the run that takes it in.
        sha256: the file's `content_digest`, if it is known already.
        earlier: readings whose rows go, in the same transaction.
        is_wanted: whether the file is read even if it is known.

    Returns:
        Its ledger entry, or None if the same content was taken in before, read as it is now.

    Raises:
        LakeError: if the disk is full or cannot be written.
        IntakeError: if the lake holds other rows than were counted.
    """
    sha256 = sha256 or content_digest(file)
    if not is_wanted and is_known(lake, file, sha256):
        return None
    connection = lake.cursor()
    with ExitStack() as stack:
        staged, origin = _stage(stack, lake, connection, file, run, sha256, file.reading)
        append = partial(_append, staged=staged, origin=origin, earlier=earlier)
        return lake.write(append, f"ingest {origin.file.name}", connection=connection)


def append_delivery(
    lake: Lake,
    files: Sequence[File],
    run: Run,
    *,
    per_user: int | None = None,
    on_fault: Callable[[File, Exception], None] | None = None,
) -> list[FileCounts]:
    """Take all files of recommendation lists of one source in, in the place of those before.

    Args:
        lake: where they go.
        files: all that the source offers.
        run: the run that takes them in.
        per_user: the longest list that is wanted, or None for any.
        on_fault: told of a file that cannot be read, while the others are; by default the error is raised.

    Returns:
        The ledger entries of the files that could be read, in their order.
    """
    connection, staged, ingested_at = lake.cursor(), [], now()
    with ExitStack() as stack:
        for file in files:
            sha256, reading = content_digest(file), reading_of(file, per_user)
            try:
                staged_file, origin = _stage(stack, lake, connection, file, run, sha256, reading)
            except Exception as error:
                if on_fault is None:
                    raise
                on_fault(file, error)
                continue
            staged.append((staged_file, _at(origin, ingested_at)))
        if not staged:
            return []
        is_complete = len(staged) == len(files)
        return append_lists(lake, staged, connection=connection, per_user=per_user, is_complete=is_complete)


def _at(origin: Origin, ingested_at: object) -> Origin:
    return Origin(**(vars(origin) | {"ingested_at": ingested_at}))


def _stage(
    stack: ExitStack,
    lake: Lake,
    connection: DuckDBPyConnection,
    file: OfferedFile,
    run: Run,
    sha256: str,
    reading: str,
) -> tuple[StagedFile, Origin]:
    """Read a file once; what is staged lasts as long as the stack."""
    table = TABLES[file.table]
    users = _list_users(lake, connection, file)
    records = file.records(connection)
    if users:
        records = _give_keys(lake, connection, table, records)
    owner = name_file(connection, file.name, users, forgotten=GONE if users else NOBODY)
    origin = Origin(file.source, owner, sha256, reading, now(), run.run_id)
    common = {name: value for name, value in origin.common.items() if name in table.column_names}
    is_large = table is schemas.INTERACTIONS and file.path.stat().st_size >= LARGE_FILE
    records = _known_by_their_ids(lake, table, records, origin)
    if file.is_supplement:
        records = _with_known_titles(records)
    staged = stage(lake, connection, table, records, common=common, is_large=is_large)
    return stack.enter_context(staged), origin


def _list_users(lake: Lake, connection: DuckDBPyConnection, file: OfferedFile) -> str | None:
    """Name the relation of the ids of the file's users; None if its records are nobody's."""
    users = file.users(connection)
    if users is None:
        return None
    with lake.explain_failures():
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE named_users AS SELECT DISTINCT user_id FROM ({users})"
        )
    return "named_users"


def _give_keys(lake: Lake, connection: DuckDBPyConnection, table: Table, records: str) -> str:
    """Give the users of a file keys; return its records without those of users who were forgotten."""
    if list_forgotten(connection, "named_users"):
        find_returned(connection, table, records)
        records = leave_out(connection, table, records)
    if count(connection, f"(FROM {WELCOME} ANTI JOIN {USERS.qualified_name} USING (user_id))"):
        lake.write(welcome, "new users", connection=connection)
    return records


def _known_by_their_ids(lake: Lake, table: Table, records: str, origin: Origin) -> str:
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


def _with_known_titles(records: str) -> str:
    """Records of items without titles of their own, with those that the lake knows."""
    reason = (
        "CASE WHEN reason = 'title is missing' AND known_title IS NOT NULL THEN NULL "
        "WHEN reason = 'title is missing' THEN 'no catalogue has the item' ELSE reason END"
    )
    known = f"SELECT item_id, title AS known_title FROM {ITEMS.qualified_name}"
    return (
        f"SELECT * EXCLUDE (known_title) REPLACE (coalesce(title, known_title) AS title, {reason} AS reason) "
        f"FROM ({records}) LEFT JOIN ({known}) USING (item_id)"
    )


def _append(
    connection: DuckDBPyConnection, *, staged: StagedFile, origin: Origin, earlier: Sequence[Entry]
) -> FileCounts:
    """Write a file's rows, what was refused of it and its ledger entry."""
    withdraw(connection, staged.table, earlier, origin.ingested_at)
    added = _add_rows(connection, staged, origin)
    reasons = append_rejects(connection, staged.refused, origin)
    rejected = sum(number for _, number in reasons)
    counts = FileCounts(
        file=origin.file.name,
        rows_read=staged.num_rows + rejected,
        accepted=added.accepted,
        duplicate=staged.num_rows - added.accepted,
        rejected=rejected,
        reasons=reasons,
        warnings=added.warnings,
    )
    append_entry(connection, staged.table, origin, counts)
    return counts


@dataclass(frozen=True)
class _Added:
    accepted: int
    warnings: tuple[str, ...] = field(default=())


def _add_rows(connection: DuckDBPyConnection, staged: StagedFile, origin: Origin) -> _Added:
    """Insert new rows and let corrected ones take the place of known ones; count both."""
    table, staged.is_taken_over = staged.table, False
    clashes = find_clashes(connection, table, staged.rows, order=staged.order)
    num_fresh, warnings = clashes.num_fresh, clashes.repeats
    if table is ITEMS:
        num_fresh, collisions = combine_with_known(connection, clashes)
        warnings += collisions
    unlike = f"{hash_sql(table)} NOT IN (SELECT hash FROM {clashes.hashes})"
    alone = f"(FROM {staged.rows} WHERE {unlike})" if clashes.num_clashing else staged.rows
    _mark_stale(connection, table, f"(FROM {alone} UNION ALL BY NAME FROM {clashes.fresh})", clashes)
    if staged.can_be_taken_over and clashes.num_clashing <= staged.num_rows * LARGEST_SHARE_CLASHING:
        staged.take_over(connection)
        if clashes.num_clashing:
            connection.execute(f"DELETE FROM {table.qualified_name} WHERE {_own(origin)} AND NOT {unlike}")
    else:
        columns = ", ".join(dict.fromkeys([*table.stored, *staged.common]))
        connection.execute(f"INSERT INTO {table.qualified_name} ({columns}) SELECT {columns} FROM {alone}")
    if num_fresh:
        supersede(connection, table, clashes, origin.ingested_at)
        merge(connection, table, clashes.fresh)
    accepted = staged.num_rows - clashes.num_clashing + num_fresh
    _check(connection, table, origin, accepted)
    return _Added(accepted, warnings)


def _own(origin: Origin) -> str:
    """SQL of the rows that this file brought."""
    return f"ingested_at = TIMESTAMPTZ {quote(origin.ingested_at.isoformat())}"


def _check(connection: DuckDBPyConnection, table: Table, origin: Origin, accepted: int) -> None:
    held = count(connection, f"(FROM {table.qualified_name} WHERE {_own(origin)})")
    if held != accepted:
        raise IntakeError(
            f"{origin.file.name}: the lake would hold {held} rows of it, and {accepted} were counted. "
            "Nothing was taken in; this is a fault of the program: please report it"
        )


def _mark_stale(connection: DuckDBPyConnection, table: Table, new: str, clashes: Clashes) -> None:
    """Take away the states of users whose history changes, with the rows that change it."""
    if table is not ITEMS:
        # A correction may give an event to another user: then the histories of both change.
        corrected = f"(FROM {clashes.known} SEMI JOIN {clashes.fresh} USING ({', '.join(table.key)}))"
        new = f"(SELECT user_key FROM {new} UNION SELECT user_key FROM {corrected})"
    mark_stale(connection, table, new)
