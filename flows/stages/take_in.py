"""Taking in what the sources offer tonight: each file by itself, whatever is wrong with another."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tqdm import tqdm

from feature_store.history.joins import describe_joins
from feature_store.intake.deliveries import is_delivered
from feature_store.intake.ledger import (
    Entry,
    FileCounts,
    all_entries,
    content_digest,
    earlier_readings,
    is_all_refused,
    is_known,
    is_read_so,
)
from feature_store.intake.source_files import IntakeError, append_delivery, append_file
from feature_store.lake.lake import Lake, LakeError
from feature_store.tables.notes import Note, Severity
from feature_store.tables.runs import Run
from feature_store.tables.suppressions import without_forgotten
from flows.settings import Settings
from flows.source_settings import told_apart
from recsys_adapters.errors import SourceFileError
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.remedies import remedy

logger = logging.getLogger(__name__)

_NUM_REASONS = 3
_LEVELS = {"fault": logging.ERROR, "warning": logging.WARNING, "note": logging.INFO}


@dataclass(frozen=True)
class _Offer:
    """A file as it is offered tonight."""

    file: SourceFile
    sha256: str


@dataclass
class Intake:
    """One night's intake, with what there is to know about it."""

    settings: Settings
    lake: Lake
    run: Run
    notes: list[Note] = field(default_factory=list)
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
        offering = {(offer.file.source, offer.sha256) for offer in offers}
        self._take_items(sorted(items, key=lambda offer: offer.file.is_supplement), offering)
        for offer in tqdm(logs, desc="ingest", unit="file", disable=None):
            earlier = [
                entry
                for entry in earlier_readings(self.lake, offer.file, offer.sha256, offering)
                if not is_read_so(self.lake, offer.file, entry)
            ]
            self._take_file(offer, earlier, is_wanted=False)
        lists = [offer.file for offer in offers if offer.file.table == "targets"]
        for source in dict.fromkeys(file.source for file in lists):
            self._take_lists([file for file in lists if file.source == source])
        if self.counts["accepted"]:
            for severity, message in describe_joins(self.lake):
                self._note(severity, "lake", message)
        self.counts["faults"] = sum(note.severity == "fault" for note in self.notes)
        return self.counts

    def _offers(self) -> Iterator[_Offer]:
        adapters, doubles = told_apart(self.settings.sources)
        for double in doubles:
            apart = "they are kept apart by numbers; give each its own `source`"
            message = f"several sources are called {double}: {apart}"
            self._note("warning", double, message)
        for name, source in adapters:
            try:
                files = list(source.files())
            except Exception as error:
                self._fault(name, None, error)
                continue
            for file in files:
                for message in file.left_aside:
                    self._note("warning", file.source, message)
                try:
                    yield _Offer(file, content_digest(file))
                except Exception as error:
                    self._fault(file.source, file.name, error)

    def _take_items(self, offers: Sequence[_Offer], offering: set[tuple[str, str]]) -> None:
        """Take catalogues in; all anew if one is read otherwise, for items are put together of all."""
        earlier = [
            entry
            for offer in offers
            if not is_known(self.lake, offer.file, offer.sha256)
            for entry in earlier_readings(self.lake, offer.file, offer.sha256, offering)
            if not is_read_so(self.lake, offer.file, entry)
        ]
        if earlier:
            sources = {offer.file.source for offer in offers} | {entry.source for entry in earlier}
            earlier = all_entries(self.lake, "items", sources)
        for place, offer in enumerate(
            tqdm(offers, desc="catalogues", unit="file", disable=not offers or None)
        ):
            self._take_file(offer, earlier if place == 0 else [], is_wanted=bool(earlier))

    def _take_file(self, offer: _Offer, earlier: Sequence[Entry], *, is_wanted: bool) -> None:
        file = offer.file
        try:
            entry = append_file(
                self.lake, file, self.run, sha256=offer.sha256, earlier=earlier, is_wanted=is_wanted
            )
        except (LakeError, IntakeError):
            raise
        except Exception as error:
            self._fault(file.source, file.name, error)
            return
        if entry is None:
            self._known(offer)
            return
        if earlier:
            message = f"{entry.file} is read anew, by other settings or on demand, and replaces its rows"
            self._note("note", file.source, message, entry.file)
        self._taken(file, entry)

    def _take_lists(self, files: list[SourceFile]) -> None:
        per_user = self.settings.targets.per_user
        readable = list(files)

        def leave_out(file: SourceFile, error: Exception) -> None:
            self._fault(file.source, file.name, error)
            readable.remove(file)

        try:
            if is_delivered(self.lake, files, per_user=per_user):
                self.counts["files_known"] += len(files)
                return
            entries = append_delivery(self.lake, files, self.run, per_user=per_user, on_fault=leave_out)
        except (LakeError, IntakeError):
            raise
        except Exception as error:
            self._fault(files[0].source, None, error)
            return
        if entries and not any(entry.accepted for entry in entries):
            self._note("fault", files[0].source, "the delivery has no list: those before it stay")
        for file, entry in zip(readable, entries, strict=True):
            self._taken(file, entry)

    def _known(self, offer: _Offer) -> None:
        self.counts["files_known"] += 1
        if is_all_refused(self.lake, offer.file, offer.sha256):
            file = offer.file
            message = f"every row of {file.name} was refused, see rejected_rows"
            self._note("fault", file.source, message, file.name)

    def _taken(self, file: SourceFile, entry: FileCounts) -> None:
        self.counts.update(files=1, rows_read=entry.rows_read, accepted=entry.accepted)
        self.counts.update(duplicate=entry.duplicate, rejected=entry.rejected)
        for message in file.notes:
            self._note("note", file.source, message, entry.file)
        for message in entry.warnings:
            self._note("warning", file.source, f"{entry.file}: {message}", entry.file)
        if entry.rejected:
            self._refusals(file, entry)

    def _refusals(self, file: SourceFile, entry: FileCounts) -> None:
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
            Exception: the error itself, where one bad file is to stop the night.
        """
        if self.settings.on_bad_file == "stop":
            raise error
        message = str(error) if isinstance(error, SourceFileError) else _untold(file or source, error)
        self._note("fault", source, message, file)

    def _note(self, severity: Severity, source: str, message: str, file: str | None = None) -> None:
        message = without_forgotten(self.lake, message)
        file = file and without_forgotten(self.lake, file)
        note = Note(severity=severity, source=source, message=message, file=file)
        if note not in self.notes:
            self.notes.append(note)
            logger.log(_LEVELS[severity], "%s", message)


def _untold(name: str, error: Exception) -> str:
    """Say that something cannot be read, without an error's own words: they may repeat what is in a file."""
    reason = getattr(error, "strerror", None) or 'set on_bad_file = "stop" to see why'
    return f"{name} cannot be read ({type(error).__name__}: {reason})"
