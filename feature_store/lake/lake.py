"""The lake: Parquet files under a transactional catalogue (DuckLake), opened through DuckDB.

The catalogue is a SQLite file by default and PostgreSQL when several machines write; only the address in
`ATTACH` differs. SQLite refuses a second writer at once instead of waiting, and on PostgreSQL two writers of
one new key both succeed, so every write holds one lock: a file's, or PostgreSQL's own, which other machines
see. Readers take no lock and never wait.
"""

import importlib.resources
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.durable_files import NOTHING_LOST
from feature_store.lake.empty_tables import begin_statistics
from feature_store.lake.locks import AdvisoryLock, LakeLock, LockLostError, LockTimeoutError, make_lock
from feature_store.lake.reader_views import create_views, pin_views
from feature_store.lake.sql import LAKE, quote
from feature_store.lake.stored_files import open_files, secret_sql
from feature_store.schemas import KEYED_TABLES, PUBLISHED_TABLES, TABLES, USERS, Table
from feature_store.schemas.addresses import mask, secrets_in

T = TypeVar("T")

CATALOG_EXTENSIONS = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
TRANSIENT_ERRORS = ("database is locked", "transaction conflict", "conflict on", "maximum retry count")
OPTIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "threads": "2",
    "memory_limit": "400MB",
}
"""The limit keeps memory the same however large the tables are: beyond it DuckDB works on disk."""
FENCE = "SET ducklake_max_retry_count = 0"
"""A commit that DuckLake tries again after another's does not see what the other wrote: both stay, for one
key. Not tried again, it fails, even if the lock was lost and another writer came between."""
QUIET = "SET enable_progress_bar = false"
"""In a process that it takes for an interactive one, DuckDB draws over the stages' own progress bars."""
DAMAGE = ("file is not a database", "malformed")
DATA = "lake/data"
"""Where an object store has the Parquet files."""
RESTORE = "restore the workspace with `fan restore BACKUP`"
WRITE_ATTEMPTS = 6
LOCK_TIMEOUT_SECONDS = 600.0
INLINED_ROWS = 500
"""Commits of up to this many rows stay in the catalogue instead of becoming one small Parquet file each."""


class LakeError(RuntimeError):
    """The lake cannot be opened or written; the message says what to do."""


def connect_duckdb(catalog: str = "sqlite", storage: str | None = None) -> DuckDBPyConnection:
    """Open an in-memory DuckDB in UTC with the extensions for a lake, loaded from their installed packages.

    Args:
        catalog: what the lake's catalogue is in, `sqlite` or `postgres`; an address of it will do.
        storage: the object store that its files are in, if they are in one.
    """
    connection = duckdb.connect(config=OPTIONS)
    # A notebook without ipywidgets has no bar, and will not be told to show none.
    with suppress(duckdb.InvalidInputException):
        connection.execute(QUIET)
    extensions = ["ducklake", CATALOG_EXTENSIONS[catalog.partition(":")[0]]]
    for name in [*extensions, "httpfs"] if storage else extensions:
        folder = (
            importlib.resources.files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}"
        )
        connection.execute(f"LOAD '{folder / f'{name}.duckdb_extension'}'")
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    if storage:
        connection.execute(secret_sql(storage))
    return connection


class Lake:
    """The tables of one workspace.

    Args:
        folder: where the Parquet files, the SQLite catalogue and its writers' lock lie.
        catalog: DuckLake's address of the catalogue (`postgres:dbname=lake host=...`); by default the
            SQLite file in `folder`.
        storage: `s3://bucket/prefix` that the Parquet files are in; by default they are in `folder`.
        read_only: open for queries only; the lake must exist.

    Raises:
        LakeError: if a lake that does not exist is opened for reading, or one is damaged, or one that another
            version made is opened for writing.
        LockLostError: if PostgreSQL is not reached.
        UnsafeLockError: if writers on PostgreSQL could not be kept apart.
    """

    def __init__(
        self,
        folder: Path,
        *,
        catalog: str | None = None,
        storage: str | None = None,
        read_only: bool = False,
    ) -> None:
        self.folder = folder.resolve()
        self.storage = storage.rstrip("/") if storage else None
        self.catalog = catalog or f"sqlite:{self.folder / 'catalog.sqlite'}"
        if not catalog:
            self._check_catalog(read_only)
        self._make_folder()
        self._lock = make_lock(self.folder / "writer.lock", catalog, timeout=LOCK_TIMEOUT_SECONDS)
        self._guards: list[LakeLock] = [self._lock]
        self.data = f"{self.storage}/{DATA}" if self.storage else str(self.folder / "data")
        """Where the Parquet files are: a folder, or an address in an object store."""
        self.spill = self.folder / "spill"
        self._readers = threading.local()
        self._connection = connect_duckdb(self.catalog, self.storage)
        self._connection.execute(f"SET temp_directory = {quote(str(self.spill))}")
        if read_only:
            self._attach("READ_ONLY")
        else:
            self._check_lock()
            with self.hold_writers():
                self._attach("META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 30000")
            self._create_tables()

    def _check_catalog(self, read_only: bool) -> None:
        """Refuse to begin a new lake where there was one, whose files upkeep would then delete."""
        file = self.folder / "catalog.sqlite"
        if file.exists() and file.stat().st_size:
            return
        if any(self._parquet_files()):
            raise LakeError(f"the catalogue {file} is missing, but not its Parquet files: {RESTORE}")
        if read_only:
            raise LakeError(f"no lake in {self.folder}: run `fan ingest` or `fan nightly` first")

    def _parquet_files(self) -> Iterator[str]:
        files = open_files(self.folder.parent, self.storage)
        paths = files.list(DATA) if self.storage else files.list(f"{self.folder.name}/data")
        return (path for path in paths if path.endswith(".parquet"))

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeError(f"cannot write to {self.folder}: {error.strerror}. {NOTHING_LOST}") from error

    def _check_lock(self) -> None:
        if isinstance(self._lock, AdvisoryLock):
            self._lock.check_pooling()
            self._connection.execute(FENCE)

    def _attach(self, options: str) -> None:
        if self.catalog.startswith("postgres"):
            options = options.replace("META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 30000", "READ_WRITE")
        data = f"DATA_PATH {quote(f'{self.data}/')}, OVERRIDE_DATA_PATH true"
        attach = f"ATTACH {quote(f'ducklake:{self.catalog}')} AS {LAKE} ({data}, {options})"
        try:
            self._connection.execute(attach)
        except duckdb.Error as error:
            raise LakeError(self._describe_failure(error)) from None
        self._connection.execute(f"USE {LAKE}")

    def _describe_failure(self, error: duckdb.Error) -> str:
        reason = self._first_line(error)
        is_damaged = any(phrase in reason for phrase in DAMAGE)
        remedy = f"It is damaged: {RESTORE}" if is_damaged else NOTHING_LOST
        return f"cannot open the lake in {self.folder}: {reason}. {remedy}"

    def _first_line(self, error: duckdb.Error) -> str:
        """What DuckDB says, which repeats the catalogue's address, without the secrets in it."""
        return mask(str(error).splitlines()[0], secrets_in(self.catalog))

    def _create_tables(self) -> None:
        columns = self._columns()
        self._check_columns(columns)
        relations = set(columns)
        missing = [table for table in TABLES if table.qualified_name not in relations]
        if missing:
            with self.hold_writers(), self.explain_failures():
                self.write(lambda connection: _create_tables(connection, missing), "create the tables")
                begin_statistics(self.cursor())
        if not {f"main.{table.name}" for table in KEYED_TABLES if table is not USERS} <= relations:
            self.write(create_views, "show what is known")
        if not {f"main.{table.name}" for table in PUBLISHED_TABLES} <= relations:
            self.publish("show the empty tables")

    def _columns(self) -> dict[str, dict[str, str]]:
        """Return the type of each column of every table and view, by schema and name."""
        rows = self._reader().execute(
            "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = ?",
            [LAKE],
        )
        columns: dict[str, dict[str, str]] = {}
        for relation, column, sql_type in rows.fetchall():
            columns.setdefault(relation, {})[column] = sql_type
        return columns

    def _check_columns(self, columns: Mapping[str, Mapping[str, str]]) -> None:
        """Refuse a lake with a table whose columns are not those of `schemas`."""
        for table in TABLES:
            found = columns.get(table.qualified_name)
            if found and found != table.sql_types:
                differing = sorted({name for name, _ in found.items() ^ table.sql_types.items()})
                raise LakeError(self._refusal(f"{table.qualified_name} differs in {', '.join(differing)}"))
        if columns and USERS.qualified_name not in columns:
            raise LakeError(self._refusal(f"it has no {USERS.qualified_name}"))

    def _refusal(self, difference: str) -> str:
        return (
            f"another version made the lake in {self.folder}: {difference}. Move the folder aside and run "
            "`fan nightly`, which takes the logs in anew; opt-outs must be told anew, too"
        )

    def relations(self) -> set[str]:
        """Return the tables and views, each as schema and name."""
        rows = self.cursor().execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_catalog = ?",
            [LAKE],
        )
        return {row[0] for row in rows.fetchall()}

    @contextmanager
    def hold_writers(self) -> Iterator[None]:
        """Keep every other writer out, in this process and in others; may be nested."""
        try:
            with self._lock.hold():
                yield
        except LockTimeoutError as error:
            raise LakeError(
                f"another writer has held the lake in {self.folder} for {LOCK_TIMEOUT_SECONDS:.0f} s: "
                "wait for it to finish, or stop it"
            ) from error

    @contextmanager
    def guarded_by(self, lock: LakeLock) -> Iterator[None]:
        """Commit nothing any more, in this block, once another lock that is held is lost."""
        self._guards.append(lock)
        try:
            yield
        finally:
            self._guards.remove(lock)

    @contextmanager
    def explain_failures(self) -> Iterator[None]:
        """Turn what DuckDB says of a disk that is full or cannot be written into a `LakeError`."""
        try:
            yield
        except LockLostError:
            raise
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            reason = self._first_line(error)
            raise LakeError(f"cannot write to {self.folder}: {reason}. {NOTHING_LOST}") from None
        except OSError as error:
            raise LakeError(f"cannot write to {self.folder}: {error.strerror}. {NOTHING_LOST}") from error

    def write(
        self,
        work: Callable[[DuckDBPyConnection], T],
        message: str,
        *,
        connection: DuckDBPyConnection | None = None,
    ) -> T:
        """Run `work` in one transaction under the writers' lock, all of it or nothing.

        Args:
            work: called with a connection inside the transaction; called anew after a transient conflict.
            message: what the snapshot is for, shown by `FROM lake.snapshots()`.
            connection: a cursor of this lake that holds temporary tables for `work`; by default a new one.

        Returns:
            What `work` returned.

        Raises:
            LakeError: if the disk is full or cannot be written, or another writer does not finish.
            LockLostError: if a lock that keeps others out was lost before the commit.
        """
        with self.hold_writers(), self.explain_failures():
            for attempt in range(1, WRITE_ATTEMPTS + 1):
                try:
                    return self._transact(connection or self.cursor(), work, message)
                except duckdb.Error as error:
                    if attempt == WRITE_ATTEMPTS or not is_transient(error):
                        raise
                    time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _transact(
        self, connection: DuckDBPyConnection, work: Callable[[DuckDBPyConnection], T], message: str
    ) -> T:
        connection.execute("BEGIN")
        try:
            result = work(connection)
            connection.execute(f"CALL {LAKE}.set_commit_message('fan', {quote(message)})")
            for lock in self._guards:
                lock.check()
            connection.execute("COMMIT")
        except BaseException:
            # A commit that failed has ended the transaction already.
            with suppress(duckdb.TransactionException):
                connection.execute("ROLLBACK")
            raise
        return result

    def cursor(self) -> DuckDBPyConnection:
        """Open a connection of its own on the same lake: one thread, one cursor."""
        connection = self._connection.cursor()
        connection.execute(f"USE {LAKE}; {QUIET}")
        return connection

    def query(self, sql: str, parameters: list[object] | dict[str, object] | None = None) -> pa.Table:
        """Run a query and return its rows."""
        return self._reader().execute(sql, parameters or []).to_arrow_table()

    def _reader(self) -> DuckDBPyConnection:
        """Return this thread's cursor for queries; to open one takes half as long as a small query."""
        if not hasattr(self._readers, "cursor"):
            self._readers.cursor = self.cursor()
        return self._readers.cursor

    def snapshot_id(self) -> int:
        """Return the number of the latest snapshot."""
        rows = self._reader().execute(f"FROM {LAKE}.current_snapshot()").fetchall()
        return int(rows[0][0])

    def publish(self, message: str, mark: Callable[[DuckDBPyConnection, int], None] = lambda *_: None) -> int:
        """Let readers see the night's tables as they are now, all in one step.

        Readers' `targets`, `profiles` and `artworks` are views pinned to a snapshot of the tables in schema
        `night`, so that a night in progress is never seen.

        Args:
            message: what the snapshot is for.
            mark: called with the connection and the snapshot, to note it in the same transaction.

        Returns:
            The snapshot that readers see from now on.
        """
        with self.hold_writers():
            snapshot_id = self.snapshot_id()

            def pin(connection: DuckDBPyConnection) -> None:
                pin_views(connection, snapshot_id)
                mark(connection, snapshot_id)

            self.write(pin, message)
        return snapshot_id

    def close(self) -> None:
        """Close the connection and the threads' cursors; the lake's files stay."""
        self._readers = threading.local()
        self._connection.close()


def is_transient(error: duckdb.Error) -> bool:
    """Tell whether the same write may succeed a moment later."""
    return any(phrase in str(error).lower() for phrase in TRANSIENT_ERRORS)


def _create_tables(connection: DuckDBPyConnection, tables: Sequence[Table]) -> None:
    for schema in {table.schema for table in tables}:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for table in tables:
        _create_table(connection, table)
    if len(tables) == len(TABLES):
        # DuckLake ends the process if an option is set anew after tables were created.
        connection.execute(f"CALL {LAKE}.set_option('data_inlining_row_limit', {INLINED_ROWS})")
        connection.execute(f"CALL {LAKE}.set_option('parquet_version', 2)")


def _create_table(connection: DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(
        f"{column.name} {column.sql_type}{' NOT NULL' if column.required else ''}" for column in table.columns
    )
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table.qualified_name} ({columns})")
    connection.execute(f"COMMENT ON TABLE {table.qualified_name} IS {quote(table.comment)}")
    for column in table.columns:
        connection.execute(
            f"COMMENT ON COLUMN {table.qualified_name}.{column.name} IS {quote(column.comment)}"
        )
