"""Source files into the lake: nothing lost, nothing twice, corrections replace.

One way for all files, for one alone as for many that are read together: their users are given keys, they are
read once into a file of accepted rows and one of refused ones (`staging`), rows whose keys clash are told
apart (`clashes`), and rows, refusals and ledger entries are written together: of each file, rows_read =
accepted + duplicate + rejected. What is there then is what would be there had each file been alone.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from duckdb import DuckDBPyConnection

from feature_store.intake.clashes import (
    Clashes,
    Corrections,
    Replaced,
    check_separable,
    correct,
    count_by_place,
    find_clashes,
    find_replaced,
    merge,
    supersede,
)
from feature_store.intake.item_fields import Collision, combine_with_known
from feature_store.intake.ledger import FileCounts, Origin, append_entries, append_rejects
from feature_store.intake.offers import Entry, InseparableError, Offer, ReadableFiles
from feature_store.intake.staged_batches import StagedBatch, stage_together
from feature_store.intake.staging import LAST_FIRST, ROW
from feature_store.intake.stale_states import mark_stale
from feature_store.intake.withdrawal import forget_awaited, withdraw
from feature_store.lake.lake import Lake
from feature_store.lake.relations import count
from feature_store.lake.sql import quote
from feature_store.schemas import ITEMS, Table
from feature_store.tables.runs import Run

LARGEST_SHARE_CLASHING = 0.5
"""Of the rows of a file that is taken over: those that clash are written, then deleted."""


class IntakeError(RuntimeError):
    """The lake holds other rows of a file than were counted; nothing of it was taken in."""


def append_together(lake: Lake, offers: Sequence[Offer], files: ReadableFiles, run: Run) -> list[FileCounts]:
    """Take source files of interactions or items in, in one transaction.

    Args:
        lake: where they go.
        offers: files of one source and table, in the order in which they count.
        files: the same, as they were examined.
        run: the run that takes them in.

    Returns:
        Their ledger entries.

    Raises:
        InseparableError: if they must be taken in one after another; nothing was written then.
        LakeError: if the disk is full or cannot be written.
        IntakeError: if the lake holds other rows than were counted.
    """
    connection = lake.cursor()
    with ExitStack() as stack:
        staged = stage_together(stack, lake, connection, offers, files, run)
        earlier = [
            (entry, origin.ingested_at, place)
            for place, (offer, origin) in enumerate(zip(offers, staged.origins, strict=True))
            for entry in offer.earlier
        ]
        append = partial(_append, staged=staged, earlier=earlier)
        more = f" and {len(offers) - 1} more" if len(offers) > 1 else ""
        return lake.write(append, f"ingest {staged.origins[0].file.name}{more}", connection=connection)


def _append(
    connection: DuckDBPyConnection,
    *,
    staged: StagedBatch,
    earlier: Sequence[tuple[Entry, datetime, int]],
) -> list[FileCounts]:
    """Write the files' rows, what was refused of them and their ledger entries."""
    table = staged.rows.table
    if earlier:
        _check_room(connection, staged, withdraw(connection, table, earlier))
    if staged.awaited:
        forget_awaited(connection, staged.awaited)
    added = _add_rows(connection, staged)
    return account(connection, staged, added.accepted, added.warnings)


def account(
    connection: DuckDBPyConnection,
    staged: StagedBatch,
    accepted: Counter[int],
    warnings: Callable[[int], tuple[str, ...]],
) -> list[FileCounts]:
    """Keep what was refused of files whose rows are written, and write their ledger entries.

    Args:
        connection: inside the transaction that wrote the rows.
        staged: the files.
        accepted: their rows that count now, by place.
        warnings: what looks wrong about the rows of the file at a place.
    """
    reasons = append_rejects(connection, staged.rows.refused, staged.origins)
    entries = []
    for place, (origin, num_rows) in enumerate(zip(staged.origins, staged.rows.num_rows, strict=True)):
        rejected = sum(number for _, number in reasons.get(place, ()))
        counts = FileCounts(
            file=origin.file.name,
            rows_read=num_rows + rejected,
            accepted=accepted[place],
            duplicate=num_rows - accepted[place],
            rejected=rejected,
            reasons=reasons.get(place, ()),
            warnings=warnings(place),
        )
        entries.append((origin, counts))
    append_entries(connection, staged.rows.table, entries)
    return [counts for _, counts in entries]


def _check_room(connection: DuckDBPyConnection, staged: StagedBatch, withdrawn: str) -> None:
    """See that no file speaks of rows that were withdrawn for a later one: alone, it would have met them.

    Raises:
        InseparableError: if one does.
    """
    key = ", ".join(staged.rows.table.key)
    if len(staged.origins) > 1 and count(
        connection,
        f"{staged.rows.rows} AS new JOIN {withdrawn} AS old USING ({key}) WHERE new.place < old.place",
    ):
        raise InseparableError("a file speaks of what an earlier reading of a later file brought")


@dataclass(frozen=True)
class _Added:
    accepted: Counter[int]
    """New and corrected rows, by the places of their files."""
    clashes: Clashes
    collisions: tuple[Collision, ...]
    replaced: Mapping[int, Replaced]
    """What to say of rows that took the place of others that they are hardly corrections of."""

    def warnings(self, place: int) -> tuple[str, ...]:
        """What looks wrong about a file's rows."""
        repeats = self.clashes.repeats.get(place)
        told: dict[tuple[str, str], Collision] = {}
        for one in (one for one in self.collisions if one.place == place):
            pair = (one.new, one.old)
            told[pair] = told[pair].and_also(one) if pair in told else one
        replaced = [self.replaced[place].told] if place in self.replaced else []
        return (*filter(None, [repeats, *replaced]), *map(str, sorted(told.values())))


def _add_rows(connection: DuckDBPyConnection, staged: StagedBatch) -> _Added:
    """Insert new rows and let corrected ones take the place of known ones; count both."""
    rows, num_files = staged.rows, len(staged.origins)
    table, rows.is_taken_over = rows.table, False
    clashes = find_clashes(connection, table, rows.rows, order=LAST_FIRST, num_files=num_files)
    accepted: Counter[int] = Counter(dict(enumerate(rows.num_rows)))
    accepted.subtract(clashes.num_rows)
    collisions: list[Collision] = []
    replaced: dict[int, Replaced] = {}
    for version in range(clashes.num_versions):
        made = correct(connection, table, clashes, version)
        for place, found in find_replaced(connection, table, made).items():
            replaced[place] = replaced[place] + found if place in replaced else found
        if table is ITEMS:
            made, found_collisions = combine_with_known(connection, made)
            collisions += found_collisions
        accepted.update(_write_corrections(connection, table, clashes, made, version))
    # Last, so that what the lake holds is compared without them.
    _insert(connection, staged, clashes)
    _check(connection, table, staged.origins, accepted)
    return _Added(accepted, clashes, tuple(collisions), replaced)


def _insert(connection: DuckDBPyConnection, staged: StagedBatch, clashes: Clashes) -> None:
    """Insert the rows that clash with none."""
    rows, table = staged.rows, staged.rows.table
    num_clashing = sum(clashes.num_rows.values())
    alone = f"(FROM {rows.rows} ANTI JOIN {clashes.rows} USING ({ROW}))" if num_clashing else rows.rows
    mark_stale(connection, table, alone)
    if rows.can_be_taken_over and num_clashing <= sum(rows.num_rows) * LARGEST_SHARE_CLASHING:
        rows.take_over(connection)
        if num_clashing:
            own = f"filename = {quote(str(rows.path))} AND {ROW} IN (SELECT {ROW} FROM {clashes.rows})"
            connection.execute(f"DELETE FROM {table.qualified_name} WHERE {own}")
    else:
        columns = ", ".join(dict.fromkeys([*table.stored, *rows.common]))
        connection.execute(f"INSERT INTO {table.qualified_name} ({columns}) SELECT {columns} FROM {alone}")


def _write_corrections(
    connection: DuckDBPyConnection, table: Table, clashes: Clashes, made: Corrections, version: int
) -> Counter[int]:
    """Let rows take the place of those with their keys; count them by the places of their files."""
    num_fresh = count_by_place(connection, made.fresh)
    if num_fresh:
        check_separable(connection, table, clashes, made, version)
        _mark_stale(connection, table, made)
        supersede(connection, table, made)
        merge(connection, table, made.fresh)
    return num_fresh


def _own(origins: Sequence[Origin]) -> str:
    """SQL of the rows that these files brought."""
    first, last = (f"TIMESTAMPTZ {quote(one.ingested_at.isoformat())}" for one in (origins[0], origins[-1]))
    return f"ingested_at = {first}" if len(origins) == 1 else f"ingested_at BETWEEN {first} AND {last}"


def _check(
    connection: DuckDBPyConnection, table: Table, origins: Sequence[Origin], accepted: Counter[int]
) -> None:
    """See that the lake holds the rows that were counted, of each file; some another of them corrected.

    Raises:
        IntakeError: if it does not.
    """
    held = _count_held(connection, table, origins)
    for number, origin in enumerate(origins):
        if held[number] != accepted[number]:
            raise IntakeError(
                f"{origin.file.name}: the lake would hold {held[number]} rows of it, and {accepted[number]} "
                "were counted. Nothing was taken in; this is a fault of the program: please report it"
            )


def _count_held(connection: DuckDBPyConnection, table: Table, origins: Sequence[Origin]) -> Mapping[int, int]:
    """Count the rows that the lake has of each file, by its place."""
    of_files = f"SELECT ingested_at FROM {table.qualified_name} WHERE {_own(origins)}"
    if len(origins) == 1:
        return {0: count(connection, f"({of_files})")}
    superseded = f"SELECT ingested_at FROM {table.schema}.superseded_{table.name} WHERE {_own(origins)}"
    begin = quote(origins[0].ingested_at.isoformat())
    place = f"epoch_us(ingested_at) - epoch_us(TIMESTAMPTZ {begin}) AS place"
    return count_by_place(connection, f"(SELECT {place} FROM ({of_files} UNION ALL {superseded}))")


def _mark_stale(connection: DuckDBPyConnection, table: Table, made: Corrections) -> None:
    """Take away the states of users whose history changes, with the corrections that change it."""
    changed = made.fresh
    if table is not ITEMS:
        # A correction may give an event to another user: then the histories of both change.
        corrected = f"(FROM {made.known} SEMI JOIN {made.fresh} USING ({', '.join(table.key)}))"
        changed = f"(SELECT user_key FROM {made.fresh} UNION SELECT user_key FROM {corrected})"
    mark_stale(connection, table, changed)
