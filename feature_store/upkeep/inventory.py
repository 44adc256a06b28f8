"""The inventory of a workspace: a checksum of every file that is kept, so that damage at rest is seen.

A file that never changes is entered once, and what was entered is never overwritten by what is there later.
A file that is written anew is entered anew when it has. Of a SQLite file its last change is entered as well:
one that was written to since says nothing about damage.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from feature_store.lake.durable_files import checksum

NAME = "checksums.sqlite"
SCHEMA = "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, sha256 TEXT, version TEXT, own_sum TEXT)"
LATEST_SNAPSHOT = "SELECT max(snapshot_id) FROM ducklake_snapshot"
UNREADABLE, WRITTEN = "unreadable", "written"
CHANGE_COUNTER = slice(24, 28)
"""Bytes of a SQLite file that count its transactions, but in a file with a write-ahead log."""


@dataclass(frozen=True)
class KeptFile:
    """A file as it was entered."""

    path: str
    """Relative to the workspace."""
    sha256: str
    version: str
    """What tells it from the same file written anew; empty for one that never changes."""

    @property
    def own_sum(self) -> str:
        """Checksum of the entry itself."""
        told = "\0".join((self.path, self.sha256, self.version))
        return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Inspection:
    """What a comparison of a workspace with its inventory found; paths are relative to the workspace."""

    damaged: tuple[str, ...]
    """Files that are not as they were entered, or gone."""
    written_since: tuple[str, ...]
    """Files that something has written to since; nothing can be said of their bytes."""
    num_new: int
    """Files that were not entered yet."""


class UnreadableInventoryError(RuntimeError):
    """The inventory itself is damaged."""


class Inventory:
    """The checksums of a workspace.

    Args:
        root: the workspace's folder.
        version: says what tells a file of a path from the same file written anew, empty if it never is.
    """

    def __init__(self, root: Path, version: Callable[[Path], str]) -> None:
        self._root, self._version = root, version
        self.file = root / NAME

    def enter(self, files: Iterable[Path], *, under: str = "") -> int:
        """Enter files that are new or were written anew, and strike out those that are gone.

        Args:
            files: absolute paths of what is kept now.
            under: entries of this folder only are struck out, of all by default.

        Returns:
            Number of files entered.

        Raises:
            UnreadableInventoryError: it is damaged.
        """
        known = self._entries()
        found = {str(path.relative_to(self._root)): path for path in files}
        new = [self._entry(name, path) for name, path in found.items() if self._is_new(known.get(name), path)]
        gone = [name for name in known if name.startswith(under) and name not in found]
        with self._open() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", [(name,) for name in gone])
            connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                [(one.path, one.sha256, one.version, one.own_sum) for one in new if one],
            )
            connection.commit()
        return len(new)

    def inspect(self, files: Iterable[Path], *, under: str = "") -> Inspection:
        """Compare files with what was entered, those of one folder or all.

        Raises:
            UnreadableInventoryError: it is damaged.
        """
        known = self._entries()
        damaged: list[str] = []
        since: list[str] = []
        for name, entry in sorted(known.items()):
            if name.startswith(under) and _checksum(self._root / name) != entry.sha256:
                (since if self._was_written_to(entry) else damaged).append(name)
        num_new = sum(str(path.relative_to(self._root)) not in known for path in files)
        return Inspection(tuple(damaged), tuple(since), num_new)

    def strike_out(self, names: Iterable[str]) -> None:
        """Forget files that were deleted, or are to be written anew; a damaged inventory stays as it is."""
        with suppress(sqlite3.Error), self._open() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", [(name,) for name in names])
            connection.commit()

    def begin_anew(self) -> None:
        """Delete an inventory that is damaged; the next `enter` takes every file as it is."""
        self.file.unlink(missing_ok=True)

    def _entries(self) -> dict[str, KeptFile]:
        if not self.file.exists():
            return {}
        try:
            with self._open() as connection:
                rows = connection.execute("SELECT path, sha256, version, own_sum FROM files").fetchall()
                sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            entries = {row[0]: KeptFile(*row[:3]) for row in rows}
            if sound and all(entries[row[0]].own_sum == row[3] for row in rows):
                return entries
        except (sqlite3.Error, TypeError, UnicodeError):
            pass
        raise UnreadableInventoryError(f"{self.file} is damaged: run `fan maintain`, which writes it anew")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=60)) as connection:
            connection.execute(SCHEMA)
            yield connection

    def _is_new(self, known: KeptFile | None, path: Path) -> bool:
        return known is None or (bool(known.version) and self._version_of(path) != known.version)

    def _entry(self, name: str, path: Path) -> KeptFile | None:
        version, sha256 = self._version_of(path), _checksum(path)
        return KeptFile(name, sha256, version) if sha256 else None

    def _was_written_to(self, entry: KeptFile) -> bool:
        """Whether a SQLite file has seen transactions since, or one was cut short and is not undone yet."""
        path = self._root / entry.path
        if not entry.version or entry.version.startswith(WRITTEN):
            return False
        version = self._version_of(path)
        return version not in (entry.version, UNREADABLE) or path.with_name(f"{path.name}-journal").exists()

    def _version_of(self, path: Path) -> str:
        try:
            return self._version(path)
        except (OSError, sqlite3.Error):
            return UNREADABLE


def _checksum(path: Path) -> str:
    """SHA-256 of a file, empty for one that is gone or cannot be read."""
    try:
        return checksum(path)
    except OSError:
        return ""


def version_of_catalogue(path: Path) -> str:
    """The latest snapshot of a lake's catalogue, all of whose write-ahead log is in the file now."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
        return f"snapshot {connection.execute(LATEST_SNAPSHOT).fetchone()[0]}"


def version_of_database(path: Path) -> str:
    """The number of transactions that a SQLite file has seen."""
    with path.open("rb") as file:
        return f"transaction {int.from_bytes(file.read(100)[CHANGE_COUNTER], 'big')}"


def version_of_page(path: Path) -> str:
    """When a file was written that is written anew as a whole."""
    return f"{WRITTEN} {path.stat().st_mtime_ns}"


def settle_catalogue(path: Path) -> None:
    """Bring what a catalogue's write-ahead log holds into the catalogue itself."""
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
