"""What adapters offer: source files, and what of them can be read by one query."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from duckdb import DuckDBPyConnection

from feature_store.lake.durable_files import FileAccessError, checksum

BYTES_AT_ONCE = 1 << 22

Readable = TypeVar("Readable", bound="ReadableFiles")


class ReadableFiles(Protocol):
    """Files that were looked at, and that one query reads."""

    @property
    def likeness(self) -> object:
        """What is equal for files that one query can read."""

    def with_others(self: Readable, others: Sequence[Readable]) -> Readable:
        """These and, after them, others of the same likeness."""

    def records(self, connection: DuckDBPyConnection) -> str:
        """SQL of their records: `place` (of the file, from 0), `line`, `reason`, `raw`, the staged columns.

        The reason says why a record is refused; else it is NULL.
        """

    def users(self, connection: DuckDBPyConnection) -> str | None:
        """SQL of the ids of the users whom they name, as `place`, `user_id`; None if they name none."""


class OfferedFile(Protocol):
    """A source file as an adapter offers it."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def member(self) -> str | None:
        """The path inside it, where it is an archive."""

    @property
    def name(self) -> str:
        """What its source calls it."""

    @property
    def source(self) -> str:
        """Adapter that reads it."""

    @property
    def table(self) -> str:
        """Table that its records belong to."""

    @property
    def reading(self) -> str:
        """Digest of how it is read."""

    @property
    def is_supplement(self) -> bool:
        """Whether its items are those of other sources, whose titles they have."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood without being told."""

    def examine(self) -> ReadableFiles:
        """Look at the file as a whole, before a record is read."""

    def up_to(self, num_bytes: int) -> "OfferedFile":
        """The first bytes of it, as if no others had been written."""


@dataclass(frozen=True)
class Entry:
    """What tells the rows of an earlier reading of a file."""

    source: str
    sha256: str
    ingested_at: datetime


class ChangedFileError(FileAccessError):
    """A file was written anew while it was read."""


class FileState(NamedTuple):
    """What changes whenever a file is written to, or another takes its place."""

    size_bytes: int
    modified_ns: int
    inode: int


def state_of(path: Path) -> FileState:
    """How a file is now."""
    status = path.stat()
    return FileState(status.st_size, status.st_mtime_ns, status.st_ino)


Offering = tuple[str, str, str]
"""Source, content and reading of a file."""


@dataclass(frozen=True)
class Offer:
    """A file that is to be taken in."""

    file: OfferedFile
    sha256: str
    """Checksum of what the file holds; of a file in an archive, of the archive and its place there."""
    seen: FileState
    """How it was when that was computed."""
    earlier: tuple[Entry, ...] = ()
    """Readings whose rows go with it."""
    is_awaited: bool = False
    """Whether it was taken in, and only those of its refused records are read whose items have come since."""

    @property
    def content(self) -> tuple[str, str]:
        """Source and content, which tell it from other offers."""
        return self.file.source, self.sha256

    @property
    def offering(self) -> Offering:
        """What tells it from other offers whose folders tell of other things."""
        return *self.content, self.file.reading

    @property
    def size_bytes(self) -> int | None:
        """Its size as it was offered; None of one in an archive."""
        return None if self.file.member else self.seen.size_bytes

    def check_unchanged(self) -> None:
        """See that the bytes that were read are those that it is known by.

        Raises:
            ChangedFileError: if others stand there by now. What was added at the end was not read.
        """
        try:
            is_as_seen = state_of(self.file.path) == self.seen or _digest(self.file, self.seen) == self.sha256
        except FileNotFoundError:
            return
        if not is_as_seen:
            raise ChangedFileError(
                f"{self.file.name} was written anew while it was read, so nothing of it was taken in: run "
                "again once it is left alone, or let it wait by settle_seconds or marker"
            )

    def goes_on_in_a_line(self, sha256: str, size_bytes: int) -> bool:
        """Tell whether a content is the begin of the file, and ends within a line of it.

        Whoever took that content in met a file that was being written, and took half a line for a record.
        Of a file that cannot be read it is not known; whoever reads it says why.
        """
        try:
            if not 0 < size_bytes < (self.size_bytes or 0):
                return False
            with self.file.path.open("rb") as stream:
                stream.seek(size_bytes - 1)
                around = stream.read(2)
            is_cut = not set(around) & set(b"\r\n")
            return is_cut and _digest_of_begin(self.file.path, size_bytes) == sha256
        except OSError:
            return False


class InseparableError(RuntimeError):
    """Files must be taken in one after another: what one of them brings decides how another is read."""


def _digest_of_begin(path: Path, size_bytes: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while size_bytes and (piece := stream.read(min(size_bytes, BYTES_AT_ONCE))):
            digest.update(piece)
            size_bytes -= len(piece)
    return digest.hexdigest()


def offer_now(file: OfferedFile, earlier: Sequence[Entry] = ()) -> Offer:
    """Offer a file as it is now: what is added to it while it is read waits for the next night.

    Raises:
        FileAccessError: if it cannot be read.
    """
    try:
        seen = state_of(file.path)
        digest = _digest(file, seen)
    except FileAccessError:
        raise
    except OSError as error:
        raise FileAccessError(
            f"cannot read {file.path}: {error.strerror}. Correct the path or its permissions, and run again"
        ) from error
    return Offer(file if file.member else file.up_to(seen.size_bytes), digest, seen, tuple(earlier))


def _digest(file: OfferedFile, seen: FileState) -> str:
    if not file.member:
        return _digest_of_begin(file.path, seen.size_bytes)
    return hashlib.sha256(f"{checksum(file.path)}/{file.member}".encode()).hexdigest()
