"""Files in their order, taken in together where one query reads them, and alone where it must be.

What is wrong with a file costs only itself: of files that cannot be read together, each half is tried, down
to the one that cannot be read at all.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from duckdb import DuckDBPyConnection

from feature_store.intake.deliveries import append_lists, reading_of
from feature_store.intake.known_files import Known, all_entries, find_known, with_awaited, with_earlier
from feature_store.intake.ledger import FileCounts, Origin, now
from feature_store.intake.offers import Entry, InseparableError, Offer, Offering, ReadableFiles
from feature_store.intake.source_files import IntakeError, append_together
from feature_store.intake.staged_batches import StagedBatch, is_large, stage_together
from feature_store.lake.lake import Lake, LakeError
from feature_store.schemas import INTERACTIONS, ITEMS
from feature_store.tables.runs import Run

logger = logging.getLogger(__name__)
MOST_FILES = 512
"""Of those that are taken in together, and of those that are looked up together."""
MOST_BYTES = 2**26
"""Of files that are taken in together: what one that cannot be read costs stays little."""

Made = TypeVar("Made")
Outcome = FileCounts | Known | Exception
"""The ledger entry of a file, or that it was known, or why it cannot be read."""


class _Twin:
    """A log whose content another one has, read in the same way, that comes before it."""


Step = ReadableFiles | Known | _Twin | Exception
"""What is known of a file before any is read."""


@dataclass
class _Batch:
    """Files that one query reads, and others between them that are done already."""

    offers: list[Offer] = field(default_factory=list)
    """Those to read."""
    examined: list[ReadableFiles] = field(default_factory=list)
    num_bytes: int = 0
    steps: list[tuple[Offer, Known | _Twin | Exception | None]] = field(default_factory=list)
    """Every file in its turn; None of those to read."""

    def examine(self, offer: Offer, done: Collection[tuple[str, str]]) -> Step:
        """Look at a file, unless one of the batch, or one that is done, makes that needless."""
        is_log = offer.file.table == INTERACTIONS.name
        if is_log and (offer.content in done or any(offer.content == one.content for one in self.offers)):
            return _Twin()
        return _examine(offer)

    def has_room_for(self, offer: Offer, examined: ReadableFiles) -> bool:
        """Tell whether one query may read this file after the others."""
        if not self.offers:
            return True
        if len(self.offers) >= MOST_FILES or self.num_bytes + _size(offer) > MOST_BYTES:
            return False
        if is_large(offer) or is_large(self.offers[0]):
            return False
        return bool(examined.likeness == self.examined[0].likeness)

    def add(self, offer: Offer, step: Step) -> None:
        """Let the file come next."""
        if isinstance(step, Known | _Twin | Exception):
            self.steps.append((offer, step))
            return
        self.offers.append(offer)
        self.examined.append(step)
        self.num_bytes += _size(offer)
        self.steps.append((offer, None))


@dataclass(frozen=True, kw_only=True)
class FileIntake:
    """How a run takes files of interactions or items in."""

    lake: Lake
    run: Run
    is_strict: bool = False
    """Whether files after one that cannot be read wait until the caller has seen it."""

    def append_logs(
        self, offers: Iterable[Offer], *, offering: Collection[Offering] = ()
    ) -> Iterator[tuple[Offer, Outcome]]:
        """Take logs in that are not known, in the place of what was read of them otherwise.

        Args:
            offers: files of interactions, in the order in which they count.
            offering: all files that are offered tonight: another source that offers the same content keeps
                its rows, and so does another file that is read by what its own folders tell.
        """
        for some in _in_turn(offers):
            known = find_known(self.lake, some)
            yield from self._append(with_earlier(self.lake, some, offering), known)

    def append_catalogues(
        self, offers: Sequence[Offer], *, offering: Collection[Offering] = ()
    ) -> Iterator[tuple[Offer, Outcome]]:
        """Take catalogues in that are not known; all anew if one is read otherwise.

        For items are put together of all catalogues. Records that waited for items of others are read again
        once some have come.

        Args:
            offers: files of items, in the order in which they count, supplements last.
            offering: as for logs.
        """
        earlier = self._earlier_catalogues(offers, offering)
        if earlier:
            first = replace(offers[0], earlier=earlier)
            yield from self._append([first, *offers[1:]], {})
            return
        for some in _in_turn(offers):
            known = find_known(self.lake, some)
            for offer, outcome in self._append(with_awaited(self.lake, some), known):
                yield offer, self._or_known(offer, outcome)

    def _or_known(self, offer: Offer, outcome: Outcome) -> Outcome:
        """What became of a file; that it is known, where nothing came that its records waited for."""
        if offer.is_awaited and isinstance(outcome, FileCounts) and not outcome.rows_read:
            return find_known(self.lake, [offer]).get(0, outcome)
        return outcome

    def _earlier_catalogues(
        self, offers: Sequence[Offer], offering: Collection[Offering]
    ) -> tuple[Entry, ...]:
        """What all catalogues brought, if one of them is read otherwise now."""
        new: list[Offer] = []
        for start in range(0, len(offers), MOST_FILES):
            some = offers[start : start + MOST_FILES]
            known = find_known(self.lake, some)
            unknown = [offer for place, offer in enumerate(some) if place not in known]
            new += with_earlier(self.lake, unknown, offering)
        changed = {entry.source for offer in new for entry in offer.earlier}
        if not changed:
            return ()
        return all_entries(self.lake, ITEMS.name, {offer.file.source for offer in offers} | changed)

    def _append(self, offers: Sequence[Offer], known: Mapping[int, Known]) -> Iterator[tuple[Offer, Outcome]]:
        batch, done = _Batch(), dict[tuple[str, str], Outcome]()
        for place, offer in enumerate(offers):
            step = known.get(place) or batch.examine(offer, done)
            if not isinstance(step, Known | _Twin | Exception) and not batch.has_room_for(offer, step):
                yield from self._read(batch, done)
                batch = _Batch()
            batch.add(offer, step)
            if self.is_strict and isinstance(step, Exception):
                yield from self._read(batch, done)
                batch = _Batch()
        yield from self._read(batch, done)

    def _read(self, batch: _Batch, done: dict[tuple[str, str], Outcome]) -> Iterator[tuple[Offer, Outcome]]:
        """Read what is to be read of a batch, and tell what became of each file in its turn."""
        outcomes = self._halve(batch.offers, batch.examined)
        for offer, step in batch.steps:
            if step is None:
                outcome = next(outcomes)
            else:
                outcome = self._again(offer, done[offer.content]) if isinstance(step, _Twin) else step
            done[offer.content] = outcome
            yield offer, outcome

    def _again(self, offer: Offer, before: Outcome) -> Outcome:
        """What becomes of the same content once more."""
        if isinstance(before, FileCounts):
            return Known(before.is_refused)
        if isinstance(before, Known):
            return before
        examined = _examine(offer)
        return examined if isinstance(examined, Exception) else next(self._halve([offer], [examined]))

    def _halve(self, offers: Sequence[Offer], examined: Sequence[ReadableFiles]) -> Iterator[Outcome]:
        """Take files in together, or else each half by itself."""

        def append(some: Sequence[Offer], joined: ReadableFiles) -> list[FileCounts]:
            return append_together(self.lake, some, joined, self.run)

        for _, made in _by_halves(offers, examined, append):
            yield from [made] if isinstance(made, Exception) else made


def _by_halves(
    offers: Sequence[Offer],
    examined: Sequence[ReadableFiles],
    take: Callable[[Sequence[Offer], ReadableFiles], Made],
) -> Iterator[tuple[Sequence[Offer], Made | Exception]]:
    """Take files together, or else each half by itself, down to the one that cannot be read.

    Yields:
        Files, and what was made of them; one file alone, and why nothing can be.
    """
    if not offers:
        return
    try:
        made: Made | Exception = take(offers, examined[0].with_others(examined[1:]))
    except (LakeError, IntakeError):
        raise
    except Exception as error:
        half = len(offers) // 2
        if half:
            if not isinstance(error, InseparableError):
                message = "%d files cannot be taken in together (%s): each half is tried by itself"
                logger.info(message, len(offers), type(error).__name__)
            yield from _by_halves(offers[:half], examined[:half], take)
            yield from _by_halves(offers[half:], examined[half:], take)
            return
        made = error
    yield offers, made


def _size(offer: Offer) -> int:
    return offer.file.path.stat().st_size


def _examine(offer: Offer) -> ReadableFiles | Exception:
    try:
        return offer.file.examine()
    except Exception as error:
        return error


def _in_turn(offers: Iterable[Offer]) -> Iterator[list[Offer]]:
    """Files that are looked up together: no content that is read in two ways, for the first decides there.

    Supplements are looked up once the catalogues are in whose items they may wait for.
    """
    some: list[Offer] = []
    readings: dict[str, tuple[str, str]] = {}
    for offer in offers:
        reading = (offer.file.source, offer.file.reading)
        is_read_otherwise = readings.get(offer.sha256, reading) != reading
        is_other = bool(some) and offer.file.is_supplement != some[-1].file.is_supplement
        if len(some) == MOST_FILES or is_other or is_read_otherwise:
            yield some
            some, readings = [], {}
        some.append(offer)
        readings[offer.sha256] = reading
    if some:
        yield some


def append_delivery(
    lake: Lake,
    offers: Sequence[Offer],
    run: Run,
    *,
    per_user: int | None = None,
    on_fault: Callable[[Offer, Exception], None] | None = None,
) -> list[tuple[Offer, FileCounts]]:
    """Take all files of recommendation lists of one source in, in the place of those before.

    Args:
        lake: where they go.
        offers: all that the source offers.
        run: the run that takes them in.
        per_user: the longest list that is wanted, or None for any.
        on_fault: told of a file that cannot be read, while the others are; by default the error is raised.

    Returns:
        The files that could be read, with their ledger entries.
    """
    connection, listed_at = lake.cursor(), now()
    with ExitStack() as stack:
        staging = _Staging(stack, lake, connection, run, on_fault)
        for batch in _batches(offers, staging.fault):
            staging.stage(batch.offers, batch.examined)
        if not staging.offers:
            return []
        delivered = iter(staging.offers)
        staged = [
            replace(
                some,
                origins=tuple(_listed(one, next(delivered), listed_at, per_user) for one in some.origins),
            )
            for some in staging.staged
        ]
        is_complete = len(staging.offers) == len(offers)
        counts = append_lists(lake, staged, connection=connection, per_user=per_user, is_complete=is_complete)
        return list(zip(staging.offers, counts, strict=True))


def _listed(origin: Origin, offer: Offer, listed_at: datetime, per_user: int | None) -> Origin:
    return replace(origin, ingested_at=listed_at, reading=reading_of(offer, per_user))


def _batches(offers: Sequence[Offer], on_fault: Callable[[Offer, Exception], None]) -> Iterator[_Batch]:
    batch = _Batch()
    for offer in offers:
        examined = _examine(offer)
        if isinstance(examined, Exception):
            on_fault(offer, examined)
            continue
        if not batch.has_room_for(offer, examined):
            yield batch
            batch = _Batch()
        batch.add(offer, examined)
    if batch.offers:
        yield batch


@dataclass
class _Staging:
    """The files of a delivery as they are read, one half of a batch after the other where they must be."""

    stack: ExitStack
    lake: Lake
    connection: DuckDBPyConnection
    run: Run
    on_fault: Callable[[Offer, Exception], None] | None
    offers: list[Offer] = field(default_factory=list)
    """Those that could be read."""
    staged: list[StagedBatch] = field(default_factory=list)

    def fault(self, offer: Offer, error: Exception) -> None:
        """Tell of a file that cannot be read."""
        if self.on_fault is None:
            raise error
        self.on_fault(offer, error)

    def stage(self, offers: Sequence[Offer], examined: Sequence[ReadableFiles]) -> None:
        """Read files together, or else each half by itself."""

        def stage(some: Sequence[Offer], joined: ReadableFiles) -> StagedBatch:
            return stage_together(self.stack, self.lake, self.connection, some, joined, self.run)

        for some, made in _by_halves(offers, examined, stage):
            if isinstance(made, Exception):
                self.fault(some[0], made)
            else:
                self.offers += some
                self.staged.append(made)
