"""One night at a time on a workspace, and no upkeep meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from flows.keeping.sealing import check_lake, seal
from flows.settings import Settings
from flows.workspace import check_writable, open_workspace

CATALOGUE_ONLY = "lake/catalog.sqlite"
"""Looked at before each night; `fan doctor --deep` looks at all."""


class NightInProgressError(RuntimeError):
    """Another night is running on this workspace."""


def is_held(settings: Settings) -> bool:
    """Tell whether a night, or upkeep, is at work on a workspace."""
    try:
        with FileLock(settings.workspace / "night.lock", timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def hold_night(settings: Settings) -> Iterator[None]:
    """Let one night run on a workspace at a time; a killed night's lock goes with its process.

    Raises:
        NightInProgressError: if another night is running on the workspace.
        WorkspaceError: if the workspace cannot be written.
        DamagedLakeError: if the catalogue is damaged.
    """
    check_writable(settings)
    check_lake(settings, CATALOGUE_ONLY)
    lock = FileLock(open_workspace(settings).root / "night.lock", timeout=0)
    try:
        with lock:
            yield
            seal(settings)
    except Timeout as error:
        raise NightInProgressError(
            f"another night is running on {settings.workspace}: wait for it to finish, or stop it"
        ) from error
