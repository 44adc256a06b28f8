"""The feature store: what ingest, a night of little change and a million texts cost."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np

from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from feature_store.lake.lake import Lake, connect_duckdb
from feature_store.tables.runs import open_run
from feature_store.vectors.reference_store import ReferenceStore, StoredVectors
from flows.model.champion import load_champion
from flows.stages.ingest import ingest
from flows.workspace import open_lake
from recsys_adapters.records.source_file import SourceFile
from recsys_adapters.sources.event_log import EventLog
from tests.benchmarks.generated_nights import run_night, write_events, write_logs
from tests.benchmarks.registry import Measurement, alternate, benchmark, peak_mib
from tests.feature_store.logs import append_file

NUM_ROWS, NUM_STORED, NUM_PASSES = 20_000_000, 1_000_000, 5
NUM_USERS = 100_000
NUM_FILES, ROWS_OF_A_FILE = 10_000, 1_000
NUM_TEXTS, WIDTH = 1_000_000, 768
MIB = 2**20


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fan-benchmark-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@benchmark("ingest_20m", plain="DuckDB COPY to Parquet", ours="validated, de-duplicated, in the lake")
def ingest_20m() -> Measurement:
    return _ingest(user="'u' || (hash(i) % 100000)", event="i")


@benchmark("ingest_20m_flawed", plain="DuckDB COPY to Parquet", ours="the same, a log with flaws")
def ingest_20m_flawed() -> Measurement:
    return _ingest(
        user="CASE WHEN i % 500 = 7 THEN NULL ELSE 'u' || (hash(i) % 100000) END",
        event=f"CASE WHEN i % 1000 = 13 THEN i - 1 WHEN i % 1000 = 17 THEN i - {NUM_ROWS} ELSE i END",
    )


def _ingest(*, user: str, event: str) -> Measurement:
    """Take in a log, each pass into a lake of its own that knows a million events already.

    Args:
        user: SQL of the user of event `i`.
        event: SQL of its id; those below zero may be of known events, which they correct.
    """
    with folder() as path:
        log = _write_log(path / "events.csv", user, event, 0, NUM_ROWS)
        stored = _write_log(path / "stored.csv", "'u' || (hash(i) % 100000)", "i", -NUM_STORED, 0)
        lakes = [Lake(path / f"lake{number}") for number in range(NUM_PASSES)]
        for lake in lakes:
            append_file(lake, stored, open_run(lake))
        before, counts = peak_mib(), []
        plain, ours = alternate(
            lambda: _copy(log.path),
            lambda: counts.append(append_file(lakes[len(counts)], log, open_run(lakes[len(counts)]))),
            passes=NUM_PASSES,
        )
        for lake in lakes:
            lake.close()
    (taken_in,) = set(counts)
    assert taken_in.rows_read == NUM_ROWS
    remark = (
        f"{NUM_ROWS / ours / 1e6:.1f} million rows a second: {taken_in.accepted:,} accepted, "
        f"{taken_in.duplicate:,} repeated, {taken_in.rejected:,} refused"
    )
    return Measurement(plain, ours, "s", peak_mib() - before, remark)


@benchmark("ingest_10000_files", plain="one DuckDB COPY over the folder", ours="10,000 files, each known")
def ingest_10000_files() -> Measurement:
    """Take in a folder of many small files, of which each is known by its content ever after."""
    with folder() as path:
        settings = write_logs(path, 100)
        log = path / "logs" / "all.csv"
        for number in range(NUM_FILES):
            _write_small_log(path / "logs" / f"part-{number:05}.csv", number)
        log.unlink()
        lake = open_lake(settings)
        before, counts = peak_mib(), {}
        plain, ours = alternate(
            lambda: _copy_folder(path / "logs"),
            lambda: counts.update(ingest(settings, lake, open_run(lake))),
            passes=1,
        )
        lake.close()
    assert counts["accepted"] >= NUM_FILES * ROWS_OF_A_FILE
    remark = f"{NUM_FILES / ours:.0f} files a second of {ROWS_OF_A_FILE:,} rows each"
    return Measurement(plain, ours, "s", peak_mib() - before, remark)


def _write_small_log(file: Path, number: int) -> None:
    lines = (
        f"u{(number * 7 + row) % NUM_USERS},i{row * 13 % 20_000},{1_600_000_000 + row},{number}-{row}"
        for row in range(ROWS_OF_A_FILE)
    )
    file.write_text("\n".join(["user,item,time,event", *lines, ""]))


def _copy_folder(path: Path) -> None:
    connection = duckdb.connect(config={"threads": 2})
    connection.execute(f"COPY (FROM '{path}/*.csv') TO '{path.parent}/plain.parquet'")


def _write_log(file: Path, user: str, event: str, start: int, stop: int) -> SourceFile:
    connect_duckdb().execute(
        f"COPY (SELECT {user} AS user, 'i' || (hash(i, 1) % 20000) AS item, "
        f"1600000000 + i AS time, ['view', 'click', 'buy'][1 + (hash(i, 2) % 3)::INT] AS kind, "
        f"1.0 + hash(i, 3) % 5 AS weight, {event} AS event FROM range({start}, {stop}) AS t(i)) "
        f"TO '{file}' (HEADER)"
    )
    names = {"user_id": "user", "item_id": "item", "event_time": "time", "kind": "kind"}
    (log,) = EventLog(path=file, columns=names | {"weight": "weight", "event_id": "event"}).files()
    return log


def _copy(file: Path) -> None:
    duckdb.connect(config={"threads": 2}).execute(f"COPY (FROM '{file}') TO '{file}.parquet'")


@benchmark("night_1_percent", plain="a night with everybody new", ours="1 % of the users changed")
def night_1_percent() -> Measurement:
    with folder() as path:
        settings = write_logs(path, NUM_USERS)
        everybody, plain = _timed(lambda: run_night(settings))
        write_events(path, "new", f"i * 100 % {NUM_USERS}", NUM_USERS // 100)
        changed, ours = _timed(lambda: run_night(settings))
        artist = load_champion(settings).artist
        requests = [ArtworkRequest(prompt="western film poster", seed=seed) for seed in range(32)]
        picture = _timed(lambda: artist.draw(requests, DrawingOptions()))[1] / len(requests)
    assert everybody["users_profiled"] == everybody["pictures"] == NUM_USERS
    assert changed["users_profiled"] == NUM_USERS // 100 >= changed["pictures"]
    drawn = (ours + changed["pictures"] * picture) / (plain + everybody["pictures"] * picture)
    remark = f"{NUM_USERS:,} users, nothing drawn; {drawn:.1%} with pictures at {picture:.2f} s"
    return Measurement(plain, ours, "s", peak_mib(), remark)


@benchmark("users_10x_memory", plain="10,000 users", ours="100,000 users")
def users_10x_memory() -> Measurement:
    few, many = (_peak_of_night(num_users) for num_users in (NUM_USERS // 10, NUM_USERS))
    return Measurement(few, many, "MiB", many, f"{many / few:.2f} times the peak of a night")


def _peak_of_night(num_users: int) -> float:
    with folder() as path:
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.generated_nights",
            str(path / "night"),
            str(num_users),
        ]
        return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


@benchmark("store_1m", plain="the vectors alone", ours="written, read, searched")
def store_1m() -> Measurement:
    chance, before = np.random.default_rng(0), peak_mib()
    with folder() as path:
        store = ReferenceStore(path, encoder_fingerprint="random", width=WIDTH)
        for start in range(0, NUM_TEXTS, 10_000):
            some = chance.standard_normal((2, 10_000, WIDTH), np.float32)
            store.add(np.arange(start, start + 10_000), StoredVectors(*some))
        store.save()
        store = ReferenceStore(path, encoder_fingerprint="random", width=WIDTH)
        ids = chance.integers(0, NUM_TEXTS, 10_000)
        queries = store.gather(ids).mean_unit_tokens[:100]
        (_, found), took = _timed(lambda: store.search(queries, 10))
    assert (found[:, 0] == ids[:100]).all()
    vectors = 2 * NUM_TEXTS * WIDTH * 4 / MIB
    return Measurement(
        vectors, peak_mib() - before, "MiB", peak_mib() - before, f"{1000 * took / 100:.0f} ms a search"
    )


def _timed(work):
    start = time.perf_counter()
    return work(), time.perf_counter() - start
