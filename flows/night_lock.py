"""One night at a time on a workspace, and no upkeep meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from feature_store.lake.locks import LakeLock, LockTimeoutError, make_lock
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
        with _lock(settings).hold():
            return False
    except LockTimeoutError:
        return True


@contextmanager
def hold_night(settings: Settings) -> Iterator[LakeLock]:
    """Let one night run on a workspace, or on a catalogue, at a time; a killed night's lock goes with it.

    Raises:
        NightInProgressError: if another night is running on the workspace.
        WorkspaceError: if the workspace cannot be written.
        DamagedLakeError: if the catalogue is damaged.
        LockLostError: if PostgreSQL is not reached.
    """
    check_writable(settings)
    check_lake(settings, CATALOGUE_ONLY)
    lock = _lock(settings)
    try:
        with lock.hold():
            yield lock
            seal(settings)
    except LockTimeoutError as error:
        raise NightInProgressError(
            f"another night is running on {settings.workspace}: wait for it to finish, or stop it"
        ) from error


def _lock(settings: Settings) -> LakeLock:
    return make_lock(open_workspace(settings).root / "night.lock", settings.catalog, timeout=0)
