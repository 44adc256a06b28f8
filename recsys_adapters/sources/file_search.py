"""Which files a path means, and which of those in a folder are left aside by rule."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from glob import escape, glob, has_magic
from os.path import commonpath
from pathlib import Path
from urllib.parse import unquote

from recsys_adapters.errors import NothingReadyError, SourceFileError
from recsys_adapters.formats.packed_bytes import is_inside_archive, split_archive, zip_members
from recsys_adapters.sources.table_folders import live_files, note_on_log

PACKERS = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".zip")
UNFINISHED = (
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".crdownload",
    ".inprogress",
    ".swp",
    "~",
    "._copying_",
    ".crc",
)
"""Ends of names of files that are being written, or belong to whoever writes."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_PART = re.compile(r"(part|data|\d+)[-_]\w[^.]*|\d+_\d+", re.IGNORECASE)
_DAYS = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?=\D|$|(?:[01]\d|2[0-3])(?:[0-5]\d){0,2}(?!\d))"
    r"|(?<![^/])(?:y(?:ear)?=)?((?:19|20)\d\d)/(?:m(?:onth)?=)?(\d\d?)/(?:d(?:ay)?=)?(\d\d?)(?![^/])"
)
"""A day, maybe with a time after it; or folders of years, of months and of days."""
_NUM_NAMED = 3


@dataclass(frozen=True)
class FoundFile:
    """A file that a path means."""

    name: str
    """What tells it from the others."""
    path: Path
    member: str | None = None
    """The path inside the file, where it is an archive."""
    keys: dict[str, str] = field(default_factory=dict)
    """What the folders above it say, as Hive names them: `event_type=click`."""
    fault: str | None = None
    """Why it cannot be read."""

    @property
    def place(self) -> Path:
        """Where its records are."""
        return self.path / self.member if self.member else self.path


@dataclass(frozen=True)
class FoundFiles:
    """What a path means now."""

    files: tuple[FoundFile, ...]
    notes: tuple[str, ...] = ()
    """What was left aside."""


def search_files(
    path: Path, suffixes: tuple[str, ...], *, marker: str = "", settle_seconds: float = 0.0
) -> FoundFiles:
    """Look for the files that a path means, in the order of names.

    Args:
        path: a file, a folder (searched with its sub-folders, links followed), a glob pattern, or one of
            these inside a zip archive. A file or folder that exists by this very name is meant, whatever
            characters the name has.
        suffixes: ends of the names that count in a folder, in any case, packed or not.
        marker: name of the file that says that its folder is complete; without it a folder waits.
        settle_seconds: how long a file must have been left alone; a younger one waits.

    Raises:
        SourceFileError: if there are none.
        NothingReadyError: if all of them wait.
    """
    if is_inside_archive(path) and not path.exists():
        archive, inside = split_archive(path)
        return FoundFiles(tuple(_expand(archive, archive.parent, suffixes, inside)[0]))
    found, passed_over, stale = _meant(path, suffixes)
    if not found:
        raise SourceFileError(_nothing(path, suffixes, passed_over, stale))
    root = path if path.is_dir() else Path(commonpath([file.parent for file in found]))
    complete, waiting = _split(found, root, marker, settle_seconds)
    if not complete:
        raise NothingReadyError(f"nothing of {_legible(path.name)} is read: {waiting[0]}")
    files: list[FoundFile] = []
    for each in sorted(complete):
        inner, others = _expand(each, root, suffixes)
        files += inner
        passed_over += others
    tables = (note_on_log(folder) for folder in sorted(_folders_above(complete)))
    notes = (*_notes(path, passed_over), *_notes_on_stale(path, stale), *filter(None, tables), *waiting)
    return FoundFiles(tuple(files), notes)


def named_days(path: str) -> list[date]:
    """The days that a path names, in their order.

    `2024-05-01`, `20240501`, `202405010300`, `2024/05/01/`, `year=2024/month=5/day=1/` are days; `20100000`
    is none.
    """
    days = []
    for found in _DAYS.finditer(path):
        year, month, day = (found[one] or found[other] for one, other in ((1, 5), (3, 6), (4, 7)))
        with suppress(ValueError):
            days.append(date(int(year), int(month), int(day)))
    return days


def _meant(path: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[Path], list[Path]]:
    """The files that count, the others, and those of tables that hold no rows any more."""
    if path.is_file():
        return [path], [], []
    found, passed_over = _in_folder(path, suffixes) if path.is_dir() else _by_pattern(path, suffixes)
    live, stale = _without_stale(found)
    return live, passed_over, stale


def _by_pattern(path: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    matches = [Path(match) for match in glob(_with_literal_folders(path), recursive=True)]
    found: list[Path] = []
    passed_over: list[Path] = []
    for match in matches:
        if match.is_file() and not _is_marker(match.name):
            found.append(match)
        elif match.is_dir() and "**" not in str(path):
            inner, others = _in_folder(match, suffixes)
            found += inner
            passed_over += others
    return list(dict.fromkeys(found)), passed_over


def _in_folder(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """The files of a folder that count, and the others that are no markers and not hidden."""
    found: list[Path] = []
    passed_over: list[Path] = []
    for files in _walk(folder):
        for file in files:
            counts = _has_suffix(file.name, suffixes) or _is_part(file.name)
            # To open a pipe would wait for whoever writes into it.
            (found if counts and file.is_file() else passed_over).append(file)
    return found, passed_over


def _with_literal_folders(path: Path) -> str:
    """The pattern, in which folders that exist by their very names are no patterns, whatever their signs."""
    literal = Path(path.anchor)
    parts = list(path.parts)
    for place, part in enumerate(parts[:-1]):
        if not (literal / part).is_dir():
            break
        literal /= part
        parts[place] = escape(part)
    return str(Path(*parts))


def _folders_above(files: list[Path]) -> set[Path]:
    return {folder for parent in {file.parent for file in files} for folder in (parent, *parent.parents)}


def _without_stale(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """The files, and apart from them those of tables whose logs say that they hold no rows any more."""
    tables: dict[Path, set[Path] | None] = {}
    for above in _folders_above(files):
        tables[above] = live_files(above)
    live = {folder: files for folder, files in tables.items() if files is not None}
    if not live:
        return files, []
    stale = {f for f in files if any(f not in live[folder] for folder in f.parents if folder in live)}
    return [file for file in files if file not in stale], [file for file in files if file in stale]


def _walk(folder: Path) -> Iterator[list[Path]]:
    """Files of each folder, links followed, no folder twice."""
    seen: set[tuple[int, int]] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(here)
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not _is_marker(name))
        yield [Path(here, name) for name in sorted(names) if not _is_marker(name)]


def _is_marker(name: str) -> bool:
    """Whether a name is hidden, a marker or that of a file in the making: `_SUCCESS`, `_delta_log`, `.crc`.

    A folder of Hive's (`_date=2024-05-01`) is none.
    """
    hidden = name.startswith((".", "_", "~$")) and "=" not in name
    return hidden or name.lower().endswith(UNFINISHED)


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    return unpacked_name(name).endswith(suffixes)


def unpacked_name(name: str) -> str:
    """A file's name in lower case, without the end that a packer gave it."""
    lower = name.lower()
    packer = next((packer for packer in PACKERS if lower.endswith(packer)), "")
    return lower.removesuffix(packer)


def _is_part(name: str) -> bool:
    """Whether a file without an ending is one of the parts that engines write: `part-00000`, `000000_0`."""
    return _PART.fullmatch(unpacked_name(name)) is not None


def _split(
    found: list[Path], root: Path, marker: str, settle_seconds: float
) -> tuple[list[Path], tuple[str, ...]]:
    """Those that are complete, and a note on those that wait."""
    complete: list[Path] = []
    waiting: list[Path] = []
    for file in found:
        is_marked = not marker or any((up / marker).exists() for up in (file.parent, root))
        age = time.time() - file.stat().st_mtime
        (complete if is_marked and age >= settle_seconds else waiting).append(file)
    if not waiting:
        return complete, ()
    return complete, (f"{len(waiting)} files wait, since they may still be written: {_named(waiting)}",)


def _expand(
    path: Path, root: Path, suffixes: tuple[str, ...], inside: str | None = None
) -> tuple[list[FoundFile], list[Path]]:
    """The file, or each file in an archive that counts; and the others in it.

    Args:
        path: of the file.
        root: the folder that names start in.
        suffixes: ends of names that count in an archive that has any of them.
        inside: pattern, or folder, of the files in the archive that are meant.
    """
    name = _legible(path.relative_to(root).as_posix())
    keys = _keys(path, root)
    try:
        members = zip_members(path)
    except (SourceFileError, OSError) as error:
        return [FoundFile(name, path, keys=keys, fault=str(error))], []
    if inside is not None:
        meant = [one for one in members if fnmatchcase(one, inside) or one.startswith(f"{inside}/")]
        if not meant:
            fault = f"{name} has no file {_legible(inside)}, but {_named([Path(one) for one in members])}"
            return [FoundFile(name, path, keys=keys, fault=fault)], []
        return [FoundFile(f"{name}/{_legible(one)}", path, one, keys) for one in sorted(meant)], []
    if len(members) < 2:
        return [FoundFile(name, path, members[0] if members else None, keys)], []
    counting = [one for one in members if _has_suffix(one, suffixes) or _is_part(Path(one).name)] or members
    others = [path / one for one in members if one not in counting]
    return [FoundFile(f"{name}/{_legible(one)}", path, one, keys) for one in sorted(counting)], others


def _keys(path: Path, root: Path) -> dict[str, str]:
    """Hive's keys in the folders of a path, from that of the search on, or above it."""
    keys = {}
    for part in path.parent.parts:
        key, is_key, value = part.partition("=")
        if is_key and key.isidentifier() and value != _NO_VALUE:
            keys[key] = unquote(value)
    return keys


def _legible(name: str) -> str:
    """A name as text, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _named(files: list[Path]) -> str:
    names = [_legible(file.name) for file in files[:_NUM_NAMED]]
    return ", ".join(names) + (", ..." if len(files) > _NUM_NAMED else "")


def _notes(path: Path, passed_over: list[Path]) -> tuple[str, ...]:
    if not passed_over:
        return ()
    what = f"{len(passed_over)} files in {_legible(path.name)} are not read: {_named(passed_over)}"
    return (f"{what}. If they belong to it, name them by a pattern",)


def _notes_on_stale(path: Path, stale: list[Path]) -> tuple[str, ...]:
    if not stale:
        return ()
    where = f"{len(stale)} files in {_legible(path.name)}"
    return (f"{where} hold no rows of their Delta table any more, and are not read: {_named(stale)}",)


def _nothing(path: Path, suffixes: tuple[str, ...], passed_over: list[Path], stale: list[Path]) -> str:
    place = _legible(str(path))
    if stale:
        return f"{place} has only files that hold no rows of their Delta table any more: the table is empty."
    if passed_over:
        return (
            f"{place} has no files that end with {', '.join(suffixes)}, but {len(passed_over)} others: "
            f"{_named(passed_over)}. Name them by a pattern, and their format."
        )
    what = "matches no files" if has_magic(str(path)) else "has no files"
    exists = "" if path.exists() or has_magic(str(path)) else " (there is no such file or folder)"
    return f"{place} {what}{exists}. Name a file, a pattern, or a folder with {', '.join(suffixes)}."
