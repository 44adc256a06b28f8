"""Taking in what the sources offer tonight, and what there is to tell of each file."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tqdm import tqdm

from feature_store.history.joins import describe_joins
from feature_store.intake.deliveries import is_delivered
from feature_store.intake.file_batches import FileIntake, Outcome, append_delivery
from feature_store.intake.known_files import Known
from feature_store.intake.ledger import FileCounts
from feature_store.intake.offers import Offer, OfferedFile, offer_now
from feature_store.intake.source_files import IntakeError
from feature_store.lake.durable_files import FileAccessError
from feature_store.lake.lake import Lake, LakeError
from feature_store.tables.notes import Note, Severity
from feature_store.tables.runs import Run
from feature_store.tables.suppressions import is_anybody_forgotten, without_forgotten
from flows.failures import explain_unread
from flows.settings import Settings
from flows.source_settings import told_apart
from recsys_adapters.errors import NothingReadyError, SourceFileError
from recsys_adapters.remedies import remedy

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 3000
"""Characters of what is noted: a file may have a name, a column or an id of megabytes."""
_NUM_REASONS = 3
_LEVELS = {"fault": logging.ERROR, "warning": logging.WARNING, "note": logging.INFO}


@dataclass
class Intake:
    """One night's intake, with what there is to know about it."""

    settings: Settings
    lake: Lake
    run: Run
    notes: dict[Note, None] = field(default_factory=dict)
    """In the order in which they were met, none twice."""
    counts: Counter[str] = field(
        default_factory=lambda: Counter(
            files=0, files_known=0, rows_read=0, accepted=0, duplicate=0, rejected=0, faults=0
        )
    )

    def take_in(self) -> Counter[str]:
        """Take everything in; return the ledger's sums and the number of faults."""
        offers = list(self._offers())
        items = [offer for offer in offers if offer.file.table == "items"]
        logs = [offer for offer in offers if offer.file.table == "interactions"]
        offering = {offer.offering for offer in offers}
        intake = FileIntake(lake=self.lake, run=self.run, is_strict=self.settings.on_bad_file == "stop")
        items.sort(key=lambda offer: offer.file.is_supplement)
        catalogues = intake.append_catalogues(items, offering=offering)
        self._tell_of_all(tqdm(catalogues, "catalogues", len(items), unit="file", disable=not items or None))
        taken = intake.append_logs(logs, offering=offering)
        self._tell_of_all(tqdm(taken, "ingest", len(logs), unit="file", disable=None))
        lists = [offer for offer in offers if offer.file.table == "targets"]
        for source in dict.fromkeys(offer.file.source for offer in lists):
            self._take_lists([offer for offer in lists if offer.file.source == source])
        if self.counts["accepted"]:
            for severity, message in describe_joins(self.lake):
                self._note(severity, "lake", message)
        self.counts["faults"] = sum(note.severity == "fault" for note in self.notes)
        return self.counts

    def _offers(self) -> Iterator[Offer]:
        adapters, doubles = told_apart(self.settings.sources)
        for double in doubles:
            apart = "they are kept apart by numbers; give each its own `source`"
            message = f"several sources are called {double}: {apart}"
            self._note("warning", double, message)
        for name, source in adapters:
            try:
                files = list(source.files())
            except NothingReadyError as error:
                self._note("warning", name, str(error))
                continue
            except Exception as error:
                self._fault(name, None, error)
                continue
            for file in files:
                for message in file.left_aside:
                    self._note("warning", file.source, message)
                try:
                    yield offer_now(file)
                except Exception as error:
                    self._fault(file.source, file.name, error)

    def _tell_of_all(self, outcomes: Iterable[tuple[Offer, Outcome]]) -> None:
        for offer, outcome in outcomes:
            self._tell(offer, outcome)

    def _tell(self, offer: Offer, outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            self._fault(offer.file.source, offer.file.name, outcome)
        elif isinstance(outcome, Known):
            self._known(offer.file, outcome)
        else:
            if offer.earlier:
                anew = "is read anew, by other settings, on demand or since it was cut, and replaces its rows"
                self._note("note", offer.file.source, f"{outcome.file} {anew}", outcome.file)
            if offer.is_awaited:
                come = f"is read again: {outcome.accepted:,} of its records waited for items that have come"
                self._note("note", offer.file.source, f"{outcome.file} {come}", outcome.file)
            self._taken(offer.file, outcome)

    def _take_lists(self, offers: Sequence[Offer]) -> None:
        per_user, source = self.settings.targets.per_user, offers[0].file.source

        def leave_out(offer: Offer, error: Exception) -> None:
            self._fault(source, offer.file.name, error)

        try:
            if is_delivered(self.lake, offers, per_user=per_user):
                self.counts["files_known"] += len(offers)
                return
            taken = append_delivery(self.lake, offers, self.run, per_user=per_user, on_fault=leave_out)
        except (LakeError, IntakeError):
            raise
        except Exception as error:
            self._fault(source, None, error)
            return
        if taken and not any(counts.accepted for _, counts in taken):
            self._note("fault", source, "the delivery has no list: those before it stay")
        for offer, counts in taken:
            self._taken(offer.file, counts)

    def _known(self, file: OfferedFile, known: Known) -> None:
        self.counts["files_known"] += 1
        if known.is_all_refused:
            message = f"every row of {file.name} was refused, see rejected_rows"
            self._note("fault", file.source, message, file.name)

    def _taken(self, file: OfferedFile, entry: FileCounts) -> None:
        self.counts.update(files=1, rows_read=entry.rows_read, accepted=entry.accepted)
        self.counts.update(duplicate=entry.duplicate, rejected=entry.rejected)
        for message in file.notes:
            self._note("note", file.source, message, entry.file)
        for message in entry.warnings:
            self._note("warning", file.source, f"{entry.file}: {message}", entry.file)
        if entry.rejected:
            self._refusals(file, entry)

    def _refusals(self, file: OfferedFile, entry: FileCounts) -> None:
        reasons = [f"{reason} ({number:,})" for reason, number in entry.reasons[:_NUM_REASONS]]
        more = len(entry.reasons) - len(reasons)
        told = "; ".join(reasons) + (f"; and {more} other reasons" if more > 0 else "")
        how_many = "every row" if entry.is_refused else f"{entry.rejected:,} of {entry.rows_read:,} rows"
        advice = remedy(entry.reasons[0][0])
        message = f"{how_many} of {entry.file} refused: {told}. {advice}See rejected_rows"
        self._note("fault" if entry.is_refused else "warning", file.source, message, entry.file)

    def _fault(self, source: str, file: str | None, error: Exception) -> None:
        """Note why a file, or a whole source, cannot be read.

        Raises:
            SourceFileError: where one bad file is to stop the night; an OSError as it is.
        """
        if self.settings.on_bad_file == "stop" and isinstance(error, SourceFileError | OSError):
            raise error
        says_why = isinstance(error, SourceFileError | FileAccessError)
        message = str(error) if says_why else explain_unread(file or source, error)
        if self.settings.on_bad_file == "stop":
            raise SourceFileError(message) from error
        self._note("fault", source, message, file)

    @cached_property
    def _has_forgotten(self) -> bool:
        return is_anybody_forgotten(self.lake)

    def _note(self, severity: Severity, source: str, message: str, file: str | None = None) -> None:
        if self._has_forgotten:
            message = without_forgotten(self.lake, message)
            file = file and without_forgotten(self.lake, file)
        note = Note(severity=severity, source=source, message=_in_short(message), file=file)
        if note not in self.notes:
            self.notes[note] = None
            logger.log(_LEVELS[severity], "%s", note.message)


def _in_short(message: str) -> str:
    """A message without its middle, if it quotes a value that nobody reads to its end."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]} [{len(message) - 2 * half:,} more characters] {message[-half:]}"
