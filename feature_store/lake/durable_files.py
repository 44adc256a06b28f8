"""Files that survive a crash: written aside, synced, renamed, and known by their checksum."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NOTHING_LOST = (
    "Nothing was lost: make room or correct the permissions, and run the same command again, which goes on "
    "where it stopped"
)


class FileAccessError(OSError):
    """A file cannot be read or written; the message says which and why."""


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or what was there before, even after a crash.

    Raises:
        FileAccessError: if it cannot be written; what was there before is still there.
    """
    aside = name_aside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise FileAccessError(f"cannot write {path}: {error.strerror}. {NOTHING_LOST}") from error


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Let a folder be filled that is empty, or not there; what stops halfway leaves it as it was.

    Raises:
        FileAccessError: if something is in it, which would go with what stops.
    """
    was_there = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileAccessError(f"{folder} is not empty: name a new folder")
    try:
        yield
    except BaseException:
        empty(folder)
        if not was_there:
            folder.rmdir()
        raise


def empty(folder: Path) -> None:
    """Delete all that is in a folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def name_aside(path: Path) -> Path:
    """Name the file that this process writes before it takes the place of `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def delete_unfinished(folder: Path) -> int:
    """Delete what killed processes left aside, in a folder and below it; return the number of files."""
    left = [path for path in folder.rglob(".*.tmp*") if path.is_file() and not _is_being_written(path)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _is_being_written(aside: Path) -> bool:
    """Whether the process whose id stands before the suffix is still running (or the file is not of ours).

    SQLite's journal of such a file has its name with another suffix after it.
    """
    process_id = aside.name.rpartition(".tmp")[0].rpartition(".")[2]
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        pass
    return True


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises:
        FileAccessError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileAccessError(
            f"cannot read {path}: {error.strerror}. Correct the path or its permissions, and run again"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
