"""Upkeep of the lake and of the files beside it: compact, expire, delete what is left over.

Snapshots that readers' views are pinned to are never expired.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.durable_files import FileAccessError
from feature_store.lake.lake import Lake
from feature_store.lake.locks import POSTGRES, vacuum_database
from feature_store.lake.reader_views import pinned_snapshots
from feature_store.lake.sql import LAKE
from feature_store.lake.stored_files import StoredFiles, sha256
from feature_store.tables.item_pictures.reference_pictures import IN_USE, read_checksums
from feature_store.vectors.picture_vectors import PictureStore
from feature_store.vectors.reference_store import ReferenceStore

LISTED_AT_ONCE = 20_000
"""Files that are held in memory together."""
READERS = 8
"""Threads that read files side by side: an object store takes its time for each."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What upkeep of the lake did."""

    snapshots_expired: int
    files_deleted: int
    """Parquet files that no snapshot needs any more, and those of transactions that never ended."""


def maintain_lake(lake: Lake, *, keep: timedelta) -> Upkeep:
    """Compact small files and expire old snapshots.

    Args:
        lake: the lake; no other process may write to it meanwhile.
        keep: snapshots and files younger than this stay. It must be longer than any reader's query runs.
    """
    with lake.hold_writers():
        connection = lake.cursor()
        _compact(connection, delete_threshold=0.1)
        expired = _expire(lake, connection, before=datetime.now(UTC) - keep)
        seconds = f"now() - INTERVAL {keep.total_seconds():.0f} SECOND"
        deleted = _call(connection, "ducklake_cleanup_old_files", f"older_than => {seconds}")
        _delete_spilled(lake, before=datetime.now(UTC) - keep)
        return Upkeep(snapshots_expired=expired, files_deleted=deleted + _delete_orphans(lake, connection))


def purge_lake(lake: Lake) -> Upkeep:
    """Keep nothing but the present: no deleted row, no old snapshot, no freed page of the catalogue.

    A query that is running meanwhile may fail, or miss files: stop the readers first.
    """
    with lake.hold_writers():
        connection = lake.cursor()
        _compact(connection, delete_threshold=0)
        expired = _expire(lake, connection, before=datetime.now(UTC))
        deleted = _call(connection, "ducklake_cleanup_old_files", "cleanup_all => true")
        deleted += _delete_orphans(lake, connection)
        connection.close()
        _vacuum(lake)
        shutil.rmtree(lake.spill, ignore_errors=True)
        return Upkeep(snapshots_expired=expired, files_deleted=deleted)


def delete_unreferenced_images(lake: Lake, files: StoredFiles, folder: str = "images") -> int:
    """Delete pictures, and what an unfinished write left of one, that no row of a night names.

    They are found by joins, some at a time, so that memory does not grow with the pictures.

    Args:
        lake: whose `artworks` name the pictures.
        files: what the names are relative to.
        folder: of the pictures.

    Returns:
        Number of files deleted.
    """
    with closing(lake.cursor()) as connection:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE named AS {_named_pictures(lake)}")
        listed, num_deleted = files.list(folder), 0
        while some := list(islice(listed, LISTED_AT_ONCE)):
            connection.register("listed", pa.table({"path": some}))
            unnamed = connection.execute("FROM listed ANTI JOIN named USING (path)").fetchall()
            files.delete(path for (path,) in unnamed)
            num_deleted += len(unnamed)
        connection.execute("DROP TABLE named")
    return num_deleted


def _named_pictures(lake: Lake) -> str:
    """SQL of the paths that some row of a night names."""
    tables = [name for name in lake.relations() if name.split(".")[1] in ("artworks", "published_artworks")]
    return " UNION ".join(
        f"SELECT unnest([image_path, plain_image_path]) AS path FROM {table}" for table in sorted(tables)
    )


@dataclass(frozen=True, kw_only=True)
class NamedPicture:
    """A picture and its plain twin, as rows name them."""

    image_path: str
    image_sha256: str
    plain_image_path: str | None

    def is_there(self, files: StoredFiles) -> bool:
        """Whether the file has its checksum."""
        try:
            content = files.read(self.image_path)
        except FileAccessError:
            return False
        return content is not None and sha256(content) == self.image_sha256

    def has_plain_twin(self, files: StoredFiles) -> bool:
        """Whether the picture without personalization is there; what is in it, only its checksum tells."""
        return self.plain_image_path is None or bool(files.size(self.plain_image_path))


def lost_pictures(lake: Lake, files: StoredFiles, table: str) -> Iterator[NamedPicture]:
    """Find the pictures of a table whose file is missing or damaged, or that lack their plain twin.

    Args:
        lake: whose `table` (`artworks` or `night.artworks`) names the files.
        files: what their paths are relative to.
        table: which artworks.
    """
    rows = lake.cursor().execute(
        f"SELECT DISTINCT image_path, image_sha256, plain_image_path FROM {table} "
        "WHERE image_path IS NOT NULL ORDER BY ALL"
    )
    columns = ("image_path", "image_sha256", "plain_image_path")
    with ThreadPoolExecutor(READERS) as readers:
        while some := rows.fetchmany(LISTED_AT_ONCE):
            pictures = [NamedPicture(**dict(zip(columns, row, strict=True))) for row in some]
            sound = readers.map(lambda one: one.is_there(files) and one.has_plain_twin(files), pictures)
            yield from (one for one, is_sound in zip(pictures, sound, strict=True) if not is_sound)


def drop_lost_pictures(lake: Lake, files: StoredFiles) -> int:
    """Delete the rows of lost pictures, and the damaged files: the next night draws them.

    Returns:
        Number of pictures.
    """
    lost = list(lost_pictures(lake, files, "night.artworks"))
    files.delete(one.image_path for one in lost if not one.is_there(files))
    files.delete(str(one.plain_image_path) for one in lost if not one.has_plain_twin(files))
    if lost:
        paths = [one.image_path for one in lost]
        delete = "DELETE FROM night.artworks WHERE list_contains(?, image_path)"
        lake.write(lambda connection: connection.execute(delete, [paths]), "drop lost pictures")
    return len(lost)


def delete_unreferenced_vectors(lake: Lake, store: ReferenceStore) -> int:
    """Remove the vectors of texts that no item, profile or crowd names any more; return their number."""
    texts = " UNION ".join(
        f"SELECT unnest([reference_id, target_id]) AS id FROM {items}"
        for items in ("items", "superseded_items")
    )
    selected = " UNION ".join(
        f"SELECT reference_id FROM {table}" for table in ("profiles", "night.profiles", "crowds")
    )
    used = lake.query(f"SELECT id FROM ({texts} UNION {selected}) WHERE id IS NOT NULL")["id"].to_numpy()
    num_removed = store.remove(np.setdiff1d(store.ids(), used))
    if num_removed:
        store.save()
    return num_removed


def drop_unused_pictures(lake: Lake, store: PictureStore | None) -> int:
    """Drop rows of pictures of items that nothing stands for, and what was seen of pictures without a row.

    Args:
        lake: whose `reference_pictures` name the pictures.
        store: what an image encoder saw of them; None if there is nothing.

    Returns:
        Number of embeddings that went.
    """
    unused = f"DELETE FROM reference_pictures WHERE item_id NOT IN ({IN_USE})"
    lake.write(lambda connection: connection.execute(unused), "drop pictures that are in use no more")
    return store.keep_only(read_checksums(lake)) if store else 0


def _compact(connection: DuckDBPyConnection, *, delete_threshold: float) -> None:
    """Write inlined rows to files, files without their deleted rows, and small files into larger ones."""
    # Flushing first: it writes deleted rows, too, which rewriting then leaves out.
    _call(connection, "ducklake_flush_inlined_data")
    _call(connection, "ducklake_rewrite_data_files", f"delete_threshold => {delete_threshold}")
    _call(connection, "ducklake_merge_adjacent_files")


def _expire(lake: Lake, connection: DuckDBPyConnection, *, before: datetime) -> int:
    """Expire the snapshots of before a time, but for the latest one and those that views are pinned to."""
    rows = connection.execute(f"SELECT snapshot_id, snapshot_time FROM {LAKE}.snapshots()").fetchall()
    kept = {*pinned_snapshots(connection), max(row[0] for row in rows)}
    old = [row[0] for row in rows if row[1] < before and row[0] not in kept]
    return _call(connection, "ducklake_expire_snapshots", f"versions => {old}") if old else 0


def _delete_orphans(lake: Lake, connection: DuckDBPyConnection) -> int:
    """Delete Parquet files of transactions that never ended: with writers kept out, none is in progress."""
    age = "older_than => now() - INTERVAL 0 SECOND"
    num_deleted = _call(connection, "ducklake_delete_orphaned_files", age)
    if not lake.storage:
        _delete_empty_folders(Path(lake.data))
    return num_deleted


def _delete_empty_folders(data: Path) -> None:
    """Delete the folders that were named after the rows of a file (see `row_files`), once it is gone."""
    for folder in sorted(data.rglob("*=*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _call(connection: DuckDBPyConnection, function: str, *arguments: str) -> int:
    """Call one of DuckLake's functions; return the number of rows that it reports."""
    return len(connection.execute(f"CALL {function}({', '.join([repr(LAKE), *arguments])})").fetchall())


def _delete_spilled(lake: Lake, *, before: datetime) -> None:
    """Delete what queries of killed processes left on disk; a running query has written to its own lately."""
    for path in lake.spill.glob("*"):
        if path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)


def _vacuum(lake: Lake) -> None:
    """Overwrite the catalogue's freed pages, which still hold inlined rows and old statistics."""
    if lake.catalog.startswith(POSTGRES):
        vacuum_database(lake.catalog)
        return
    catalog = sqlite3.connect(lake.catalog.removeprefix("sqlite:"), timeout=60, isolation_level=None)
    try:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            catalog.execute(statement).fetchall()
    finally:
        catalog.close()
