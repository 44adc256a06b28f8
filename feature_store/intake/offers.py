"""What adapters offer: source files, and what of them can be read by one query."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from duckdb import DuckDBPyConnection

from feature_store.lake.durable_files import checksum

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


@dataclass(frozen=True)
class Entry:
    """What tells the rows of an earlier reading of a file."""

    source: str
    sha256: str
    ingested_at: datetime


@dataclass(frozen=True)
class Offer:
    """A file that is to be taken in."""

    file: OfferedFile
    sha256: str
    """Its `content_digest`."""
    earlier: tuple[Entry, ...] = ()
    """Readings whose rows go with it."""

    @property
    def content(self) -> tuple[str, str]:
        """Source and content, which tell it from other offers."""
        return self.file.source, self.sha256

    @property
    def size_bytes(self) -> int | None:
        """Its size; None of one in an archive."""
        return None if self.file.member else self.file.path.stat().st_size

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


def content_digest(file: OfferedFile) -> str:
    """Checksum of what the file holds; of a file in an archive, of the archive and its place there."""
    digest = checksum(file.path)
    return hashlib.sha256(f"{digest}/{file.member}".encode()).hexdigest() if file.member else digest
