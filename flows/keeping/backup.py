"""A workspace copied whole while nights run, and put back: `fan backup`, `fan restore`."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from feature_store.lake.durable_files import empty, filling, write_durably
from feature_store.lake.lake import Lake, LakeError
from feature_store.tables.suppressions import carry_on
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.inventory import NAME
from flows.commands.doctor import examine
from flows.commands.forget import finish_forgetting
from flows.keeping.kept_files import CATALOGUE, TOP_FOLDERS, kept_files, open_inventory
from flows.keeping.sealing import LOCK_TIMEOUT_SECONDS, hold_deletions, seal
from flows.settings import Settings
from flows.workspace import Workspace, open_workspace

ATTEMPTS = 3
"""A file that a night replaces while it is copied makes the copy another one."""
MARK = "backup.json"
"""Written last: a copy without it is not whole."""
DATABASES = (".sqlite", ".db")


class BackupError(RuntimeError):
    """A workspace cannot be copied, or put back; the message says why and what to do."""


def back_up(settings: Settings, folder: Path) -> int:
    """Copy the workspace into an empty folder, and examine the copy; return its number of files.

    Nights and services go on meanwhile. `maintain` and `forget` wait.

    Raises:
        BackupError: if the folder is not empty, the catalogue is not in the workspace, or what was copied is
            damaged.
    """
    root = settings.workspace
    if settings.catalog or settings.storage:
        raise BackupError(
            "the catalogue, or the files, are not in the workspace: stop the nights, copy the database with "
            f"pg_dump, and the object store or the folder {root} with any tool"
        )
    if (folder.exists() and any(folder.iterdir())) or folder.resolve().is_relative_to(root):
        raise BackupError(f"{folder} is not empty, or in the workspace: name an empty folder elsewhere")
    with filling(folder):
        with hold_deletions(settings):
            broken = _copy_until_content(settings, folder.resolve())
        if broken:
            raise BackupError(f"the copy is not sound ({broken}), and is deleted: run `fan doctor --deep`")
        mark = {"workspace": str(root), "made_at": datetime.now(UTC).isoformat()}
        write_durably(folder / MARK, json.dumps(mark).encode())
    return sum(1 for _ in kept_files(folder))


def restore(settings: Settings, folder: Path) -> tuple[Path, bool]:
    """Put a backup in the workspace's place.

    Users who were forgotten, or opted out, since it was made are so again, if the workspace of before can say
    who they are.

    Returns:
        Where the workspace of before lies now, and whether it could say so.

    Raises:
        BackupError: if it is no whole and sound backup of this workspace, or a night is running.
    """
    _check_backup(settings, folder)
    root = open_workspace(settings).root
    before = root.with_name(f"{root.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    with _hold_still(root):
        before.mkdir()
        for name in (*(top.rstrip("/") for top in TOP_FOLDERS), NAME):
            _put_in_place(folder / name, root / name, before / name)
        could_tell = _carry_on(settings, Workspace(root), before / "lake")
        seal(settings)
    return before, could_tell


def _copy_until_content(settings: Settings, folder: Path) -> str:
    """Copy until the copy is sound; return what is broken of the last one, empty if nothing is."""
    broken = ""
    for _ in range(ATTEMPTS):
        empty(folder)
        try:
            _copy(settings.workspace, folder)
        except FileNotFoundError as error:
            broken = f"{error.filename} went while it was copied"
            continue
        copy = settings.model_copy(update={"workspace": folder})
        findings = [found for found in examine(copy, is_deep=True) if found.num_offenders and found.is_broken]
        broken = "; ".join(finding.promise for finding in findings)
        if not broken:
            break
    return broken


def _copy(root: Path, folder: Path) -> None:
    """Copy the catalogue first: every file that it names is there already, and stays while this runs."""
    catalogue = root / "lake" / CATALOGUE
    if catalogue.exists():
        with FileLock(root / "lake" / "writer.lock", timeout=LOCK_TIMEOUT_SECONDS):
            _copy_file(catalogue, folder / "lake" / CATALOGUE)
    manifest = root / "references" / "manifest.json"
    if manifest.exists():
        _copy_file(manifest, folder / "references" / "manifest.json")
    for path in kept_files(root):
        if path not in (catalogue, manifest):
            _copy_file(path, folder / path.relative_to(root))
    _copy_file(root / NAME, folder / NAME)
    inventory = open_inventory(folder)
    inventory.strike_out(str(path.relative_to(folder)) for path in kept_files(folder) if _is_rewritten(path))
    inventory.enter(kept_files(folder))


def _is_rewritten(path: Path) -> bool:
    """Whether a copy differs from its original in its bytes, or may be newer than its checksum."""
    return path.suffix in DATABASES or path.parts[-2] == "gallery" or path.name == "manifest.json"


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in DATABASES:
        with closing(sqlite3.connect(source, timeout=60)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    else:
        shutil.copyfile(source, target)


def _check_backup(settings: Settings, folder: Path) -> None:
    try:
        mark = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        raise BackupError(
            f"{folder} is no whole backup: name a folder that `fan backup` ended with"
        ) from None
    if mark["workspace"] != str(settings.workspace):
        raise BackupError(
            f"{folder} is a backup of {mark['workspace']}, and MLflow's record names that place: restore it "
            "there, with settings whose workspace it is"
        )
    damaged = open_inventory(folder.resolve()).inspect(()).damaged
    if damaged:
        raise BackupError(f"{len(damaged)} files of {folder} are damaged, for one {damaged[0]}: name another")


@contextmanager
def _hold_still(root: Path) -> Iterator[None]:
    """Keep nights, upkeep and backups out; a damaged lake is no reason to stop here."""
    try:
        with FileLock(root / "night.lock", timeout=0), FileLock(root / "deletions.lock", timeout=0):
            yield
    except Timeout as error:
        raise BackupError(f"a night or a backup is running on {root}: wait for it to finish") from error


def _put_in_place(copy: Path, place: Path, before: Path) -> None:
    """Let a copy take a place in one step; what was there is kept."""
    aside = place.with_name(f".{place.name}.restoring.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    if copy.is_dir():
        shutil.copytree(copy, aside)
    elif copy.exists():
        shutil.copyfile(copy, aside)
    if place.exists():
        place.rename(before)
    if copy.exists():
        aside.rename(place)


def _carry_on(settings: Settings, workspace: Workspace, before: Path) -> bool:
    """Forget again who was forgotten since, and opt out who opted out; tell whether that is known."""
    if not before.exists() or not workspace.lake.exists():
        return True
    lake = Lake(workspace.lake)
    try:
        keys = carry_on(Lake(before, read_only=True), lake)
    except (LakeError, duckdb.Error):
        return False
    for key in keys:
        erase_user(lake, key)
    if keys:
        finish_forgetting(settings, workspace, lake)
    lake.close()
    return True
