"""One night at a time on a workspace, and no upkeep meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from flows.settings import Settings
from flows.workspace import check_writable, open_workspace


class NightInProgressError(RuntimeError):
    """Another night is running on this workspace."""


@contextmanager
def hold_night(settings: Settings) -> Iterator[None]:
    """Let one night run on a workspace at a time; a killed night's lock goes with its process.

    Raises:
        NightInProgressError: if another night is running on the workspace.
        WorkspaceError: if the workspace cannot be written.
    """
    check_writable(settings)
    lock = FileLock(open_workspace(settings).root / "night.lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise NightInProgressError(
            f"another night is running on {settings.workspace}: wait for it to finish, or stop it"
        ) from error
