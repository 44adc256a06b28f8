"""Locks that keep writers, or nights, apart: a file's on one machine, PostgreSQL's own over many.

Both end with the process that holds them, however it ends: an advisory lock is its session's, and the server
ends a session as soon as its connection does, or within 25 s if the machine itself is lost.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from feature_store.lake.durable_files import NOTHING_LOST
from feature_store.schemas.addresses import mask, secrets_in

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Session

POSTGRES = "postgres:"
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""Seconds of silence, seconds between tries, and tries, until a peer that is gone is noticed."""
SESSION = "; ".join(
    (*(f"SET tcp_{name} = {value}" for name, value in KEEPALIVES.items()), "SET idle_session_timeout = 0")
)
LOCK, TRY_LOCK = "SELECT pg_advisory_lock(%s)", "SELECT pg_try_advisory_lock(%s)"
IS_HELD = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
        AND (classid::bigint << 32) | objid::bigint = %s
"""
LOST = f"the connection that held a lock of the lake is lost: nothing was written after that. {NOTHING_LOST}"


class LockTimeoutError(RuntimeError):
    """Somebody else holds the lock."""


class LockLostError(ConnectionError):
    """PostgreSQL is not reached, or has ended the session that held a lock: another may hold it by now."""


class UnsafeLockError(RuntimeError):
    """What stands before PostgreSQL lets two hold one lock."""


class LakeLock(Protocol):
    """One lock of a lake; who holds it may take it again."""

    def hold(self) -> AbstractContextManager[None]:
        """Hold the lock until the block ends.

        Raises:
            LockTimeoutError: if another holds it for too long.
        """

    def check(self) -> None:
        """Say so if the lock is lost, just before what it protects is committed.

        Raises:
            LockLostError: if it is.
        """


def make_lock(file: Path, catalog: str | None, *, timeout: float) -> LakeLock:
    """Make a lock that all who share a catalogue share: a file's, or one of PostgreSQL's.

    Args:
        file: of the lock; its name without the suffix tells PostgreSQL's locks apart.
        catalog: DuckLake's address of the catalogue, or None for SQLite.
        timeout: seconds to wait for another holder; 0 for none.
    """
    if catalog and catalog.startswith(POSTGRES):
        return AdvisoryLock(catalog.removeprefix(POSTGRES), file.stem, timeout=timeout)
    return LockFile(file, timeout=timeout)


class LockFile:
    """A lock that is a file's, for the processes of one machine."""

    def __init__(self, file: Path, *, timeout: float) -> None:
        self._lock = FileLock(file, timeout=timeout)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold it until the block ends."""
        try:
            self._lock.acquire()
        except Timeout as error:
            raise LockTimeoutError(f"another holds {self._lock.lock_file}") from error
        try:
            yield
        finally:
            self._lock.release()

    def check(self) -> None:
        """Pass: the system keeps a file's lock as long as the process lives."""


class AdvisoryLock:
    """A lock of a PostgreSQL database, for the processes of all machines that share it.

    Args:
        address: connection string of libpq.
        name: tells the locks of one database apart.
        timeout: seconds to wait for another holder; 0 for none.
    """

    def __init__(self, address: str, name: str, *, timeout: float) -> None:
        self._address, self.name, self._timeout = address, name, timeout
        self._key = int.from_bytes(hashlib.sha256(f"fan {name}".encode()).digest()[:8], "big", signed=True)
        self._thread, self._depth = threading.RLock(), 0
        self._session: Session | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold it until the block ends."""
        if not self._thread.acquire(timeout=self._timeout):
            raise LockTimeoutError(f"another thread holds the lock {self.name}")
        try:
            if not self._depth:
                self._session = self._take()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    self._release()
        finally:
            self._thread.release()

    def check(self) -> None:
        """Ask the server whether this very session holds the lock."""
        from psycopg2 import Error

        try:
            is_held = self._session is not None and _ask(self._session, IS_HELD, self._key) == 1
        except Error:
            is_held = False
        if not is_held:
            raise LockLostError(LOST)

    def check_pooling(self) -> None:
        """Refuse a pooler that gives one session of the server to two connections by turns.

        Raises:
            UnsafeLockError: if what stands before PostgreSQL is such a one.
        """
        with self.hold():
            other = self._connect()
            try:
                if _ask(other, TRY_LOCK, self._key):
                    raise UnsafeLockError(
                        "two connections to the catalogue share one session of PostgreSQL, so a lock keeps "
                        "nobody out: connect to the server itself, or let pgbouncer pool sessions, "
                        "not transactions"
                    )
            finally:
                other.close()

    def _take(self) -> "Session":
        from psycopg2 import Error
        from psycopg2.errors import LockNotAvailable

        session = self._connect()
        try:
            is_taken = self._wait(session) if self._timeout else _ask(session, TRY_LOCK, self._key)
        except LockNotAvailable:
            is_taken = False
        except Error:
            raise LockLostError(LOST) from None
        if not is_taken:
            session.close()
            raise LockTimeoutError(f"another session of PostgreSQL holds the lock {self.name}")
        return session

    def _wait(self, session: "Session") -> bool:
        limit = f"{1000 * self._timeout:.0f}ms"
        session.cursor().execute("SELECT set_config('lock_timeout', %s, false)", [limit])
        session.cursor().execute(LOCK, [self._key])
        return True

    def _connect(self) -> "Session":
        return _connect(self._address)

    def _release(self) -> None:
        from psycopg2 import Error

        if self._session:
            with suppress(Error):
                self._session.close()
        self._session = None


def vacuum_database(catalog: str) -> None:
    """Write the tables of a PostgreSQL catalogue anew, without the rows that were deleted.

    Its write-ahead log, and backups of the server, keep them as long as they are kept.
    """
    session = _connect(catalog.removeprefix(POSTGRES))
    try:
        session.cursor().execute("VACUUM FULL")
    finally:
        session.close()


def _connect(address: str) -> "Session":
    import psycopg2

    try:
        session = psycopg2.connect(address, connect_timeout=10, **KEEPALIVES)
        session.autocommit = True
        session.cursor().execute(SESSION)
    except psycopg2.Error as error:
        reason = mask(" ".join(str(error).split()), secrets_in(POSTGRES + address))
        raise LockLostError(f"the catalogue's server is not reached: {reason}. {NOTHING_LOST}") from None
    return session


def _ask(session: "Session", sql: str, key: int) -> object:
    """Return the one value that a question about a lock is answered with."""
    cursor = session.cursor()
    cursor.execute(sql, [key])
    row = cursor.fetchone()
    return row[0] if row else None
