"""Files of one likeness read once, their users given keys: what is then ready to be written.

Users are met while the records stream by, where nearly all of them have keys (`newcomers`); otherwise a first
reading lists them, which also finds those who were forgotten (`forgotten_records`).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from duckdb import DuckDBPyConnection

from feature_store.intake.clashes import MOVED, moved_id
from feature_store.intake.file_names import FileOwner, name_files
from feature_store.intake.forgotten_records import NamedUsers, find_returned, leave_out, list_named, welcome
from feature_store.intake.ledger import ONE_FILE_AFTER_ANOTHER, Origin, now
from feature_store.intake.newcomers import Newcomers, are_mostly_known
from feature_store.intake.offers import Entry, InseparableError, Offer, ReadableFiles
from feature_store.intake.staging import StagedFile, stage
from feature_store.intake.withdrawal import choose_awaited, rows_that_stay
from feature_store.lake.lake import Lake
from feature_store.lake.relations import count
from feature_store.lake.sql import quote
from feature_store.schemas import INTERACTIONS, ITEMS, NO_ITEM, TARGETS, USERS, Table
from feature_store.tables.runs import Run

LARGE_FILE = 2**23
"""From so many bytes on, the lake takes the staged file of a log over, if most of its rows are new."""
TABLES = {table.name: table for table in (INTERACTIONS, ITEMS, TARGETS)}


@dataclass(frozen=True)
class StagedBatch:
    """Files that were read, and are to be written."""

    rows: StagedFile
    origins: tuple[Origin, ...]
    """Of each file, by its place."""
    awaited: str | None = None
    """Relation of the lines of them that are read again (see `withdrawal.choose_awaited`)."""


def stage_together(
    stack: ExitStack,
    lake: Lake,
    connection: DuckDBPyConnection,
    offers: Sequence[Offer],
    files: ReadableFiles,
    run: Run,
) -> StagedBatch:
    """Read files once; what is staged lasts as long as the stack.

    Raises:
        InseparableError: if they must be taken in one after another.
        ChangedFileError: if one was written anew meanwhile.
    """
    staged = _stage(stack, _Reading(lake, connection, offers, files, run))
    for offer in offers:
        offer.check_unchanged()
    return staged


def _stage(stack: ExitStack, reading: "_Reading") -> StagedBatch:
    users = reading.files.users(reading.connection)
    if users and reading.table is not ITEMS and are_mostly_known(reading.connection, users):
        staged = reading.meet_users(stack)
        if staged:
            return staged
    return reading.list_users_first(stack, users)


@dataclass(frozen=True)
class _Reading:
    """How files are read."""

    lake: Lake
    connection: DuckDBPyConnection
    offers: Sequence[Offer]
    files: ReadableFiles
    run: Run
    begin: datetime = field(default_factory=now)

    @property
    def table(self) -> Table:
        """Where their records belong."""
        return TABLES[self.offers[0].file.table]

    def meet_users(self, stack: ExitStack) -> StagedBatch | None:
        """Read the files, and give keys to users without one as they come by.

        Returns:
            None if the users must be listed first: one was forgotten, another writer has given one a key, or
            too many have none.
        """
        with ExitStack() as attempt:
            newcomers = Newcomers(self.connection)
            attempt.callback(newcomers.close)
            rows = attempt.enter_context(self._stage(self.files.records(self.connection), newcomers))
            named = newcomers.named(rows)
            if not newcomers.can_stay(self.lake, named) or not self._welcome(newcomers, rows):
                return None
            owners = name_files(self.connection, self._names, named)
            stack.push(attempt.pop_all())
            return StagedBatch(rows, self._origins(owners))

    def _welcome(self, newcomers: Newcomers, rows: StagedFile) -> bool:
        if not newcomers.are_any(rows):
            return True
        welcome = partial(newcomers.welcome, staged=rows)
        return self.lake.write(welcome, "new users", connection=self.connection)

    def list_users_first(self, stack: ExitStack, users: str | None) -> StagedBatch:
        """Read the ids of the users first, and then the files.

        Args:
            stack: as long as which lasts what is staged.
            users: SQL of the `place` and `user_id` of each record; None if the records are nobody's.
        """
        records, awaited = self.files.records(self.connection), None
        if users:
            with self.lake.explain_failures():
                named = list_named(self.connection, users)
            records = self._give_keys(records, named)
            owners = name_files(self.connection, self._names, named.rows, forgotten=named.gone)
        else:
            owners = [FileOwner(name) for name in self._names]
        if self.offers[0].file.is_supplement:
            records = _with_known_titles(self.connection, records, self.offers[0].earlier)
            if any(offer.is_awaited for offer in self.offers):
                records, awaited = choose_awaited(self.connection, self.offers, records)
        return StagedBatch(stack.enter_context(self._stage(records)), self._origins(owners), awaited)

    def _give_keys(self, records: str, named: NamedUsers) -> str:
        """Give the users of files keys; return the records without those of users who were forgotten."""
        if count(self.connection, named.forgotten):
            if find_returned(self.connection, self.table, records, named) and len(self.offers) > 1:
                raise InseparableError("a user who was forgotten comes back with one of the files")
            records = leave_out(self.table, records, named)
        if count(self.connection, f"(FROM {named.welcome} ANTI JOIN {USERS.qualified_name} USING (user_id))"):
            self.lake.write(partial(welcome, named=named), "new users", connection=self.connection)
        return records

    def _stage(self, records: str, newcomers: Newcomers | None = None) -> AbstractContextManager[StagedFile]:
        """Read the files' records."""
        records = _known_by_their_ids(self.lake, self.table, records, self.offers)
        common = self._origins([FileOwner(self._names[0])])[0].common
        return stage(
            self.lake,
            self.connection,
            self.table,
            records,
            common={name: value for name, value in common.items() if name in self.table.column_names},
            num_files=len(self.offers),
            is_large=len(self.offers) == 1 and is_large(self.offers[0]),
            newcomers=newcomers,
        )

    @property
    def _names(self) -> list[str]:
        """What the files' source calls them."""
        return [offer.file.name for offer in self.offers]

    def _origins(self, owners: Sequence[FileOwner]) -> tuple[Origin, ...]:
        """Of each file, or of the first ones, by what the ledger calls it."""
        return tuple(
            Origin(
                offer.file.source, owner, offer.sha256, offer.file.reading, offer.size_bytes,
                self.begin + place * ONE_FILE_AFTER_ANOTHER, self.run.run_id,
            )
            for place, (offer, owner) in enumerate(zip(self.offers, owners, strict=False))
        )  # fmt: skip


def is_large(offer: Offer) -> bool:
    """Whether a file is a log that is so large that the lake may take over what it is staged in."""
    return offer.file.table == INTERACTIONS.name and offer.file.path.stat().st_size >= LARGE_FILE


def _known_by_their_ids(lake: Lake, table: Table, records: str, offers: Sequence[Offer]) -> str:
    """Records with the ids that the lake knows moved events by (see `clashes.MOVED`), where there are any."""
    if table is not INTERACTIONS:
        return records
    moved = (
        f"SELECT interaction_id FROM {table.qualified_name} "
        f"WHERE source = {quote(offers[0].file.source)} AND starts_with(interaction_id, '{MOVED}')"
    )
    if not lake.query(f"{moved} LIMIT 1").num_rows:
        return records
    if any(offer.earlier for offer in offers[:-1]):
        raise InseparableError("rows go that other files know by new ids")
    digest = moved_id("interaction_id")
    known_as = f"CASE WHEN {digest} IN ({moved}) THEN {digest} ELSE interaction_id END"
    return f"SELECT * REPLACE ({known_as} AS interaction_id) FROM ({records})"


def _with_known_titles(connection: DuckDBPyConnection, records: str, earlier: Sequence[Entry]) -> str:
    """Records of items without titles of their own, with those that the lake knows and that stay there.

    Args:
        connection: that runs the query.
        records: SQL of the records.
        earlier: readings whose items go as these come.
    """
    reason = (
        "CASE WHEN reason = 'title is missing' AND known_title IS NOT NULL THEN NULL "
        f"WHEN reason = 'title is missing' THEN {quote(NO_ITEM)} ELSE reason END"
    )
    known = f"SELECT item_id, title AS known_title FROM {rows_that_stay(connection, ITEMS, earlier)}"
    return (
        f"SELECT * EXCLUDE (known_title) REPLACE (coalesce(title, known_title) AS title, {reason} AS reason) "
        f"FROM ({records}) LEFT JOIN ({known}) USING (item_id)"
    )
