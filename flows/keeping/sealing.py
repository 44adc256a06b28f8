"""Sealing: what a command wrote is entered in the workspace's inventory, when it has ended.

Nothing goes on with a lake that is known to be damaged: what it wrote would be taken for sound.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from feature_store.upkeep.inventory import UnreadableInventoryError, settle_catalogue
from flows.keeping.kept_files import CATALOGUE, RESTORE, TOP_FOLDERS, kept_files, open_inventory
from flows.settings import Settings
from flows.workspace import Workspace

LOCK_TIMEOUT_SECONDS = 600.0
LAKE = "lake/"


class DamagedLakeError(RuntimeError):
    """A file of the lake is not as it was written."""


def seal(settings: Settings, *folders: str) -> None:
    """Enter what is new in some folders of the workspace (`lake/`), by default in all.

    A damaged inventory is left as it is: the doctor finds it, and `fan maintain` begins it anew.
    """
    workspace = Workspace(settings.workspace)
    with _hold(workspace.root / "checksums.lock"):
        for folder in folders or TOP_FOLDERS:
            if folder == LAKE and (workspace.lake / CATALOGUE).exists():
                # No writer is let in between its last change and its checksum.
                with _hold(workspace.lake / "writer.lock"):
                    settle_catalogue(workspace.lake / CATALOGUE)
                    _enter(workspace, folder)
            else:
                _enter(workspace, folder)


def check_lake(settings: Settings, folder: str = LAKE) -> None:
    """Compare the lake, or its catalogue alone (`lake/catalog`), with the inventory.

    Raises:
        DamagedLakeError: a file of it is damaged.
    """
    root = settings.workspace
    try:
        damaged = open_inventory(root).inspect((), under=folder).damaged
    except UnreadableInventoryError:
        return
    if damaged:
        raise DamagedLakeError(f"{root / damaged[0]} is damaged, and {len(damaged) - 1} others: {RESTORE}")


@contextmanager
def rewriting(settings: Settings) -> Iterator[None]:
    """Let a block rewrite a lake that is sound; while it lasts, the catalogue's checksum is unknown.

    Raises:
        DamagedLakeError: a file of the lake is damaged, which must not be written anew as if it were sound.
    """
    with hold_deletions(settings):
        check_lake(settings)
        open_inventory(settings.workspace).strike_out([f"{LAKE}{CATALOGUE}"])
        yield


@contextmanager
def hold_deletions(settings: Settings) -> Iterator[None]:
    """Keep files from being deleted while they are copied, and from being copied while they are deleted."""
    with _hold(settings.workspace / "deletions.lock"):
        yield


def _enter(workspace: Workspace, folder: str) -> None:
    try:
        open_inventory(workspace.root).enter(kept_files(workspace.root, folder), under=folder)
    except UnreadableInventoryError:
        return


def _hold(lock: Path) -> FileLock:
    return FileLock(lock, timeout=LOCK_TIMEOUT_SECONDS)
