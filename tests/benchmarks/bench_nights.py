"""How a night grows: its cost for each pair of user and item, and its commits."""

import time
from pathlib import Path

from feature_store.tables.runs import open_run
from flows.stages.bucket_commits import BUCKETS_PER_COMMIT
from flows.workspace import share_lake
from tests.benchmarks.bench_store import folder
from tests.benchmarks.generated_nights import prepare_night, work_off, write_logs
from tests.benchmarks.registry import Measurement, benchmark, peak_mib

FEW, MANY = 100_000, 1_000_000
EVENTS_PER_USER = 8
BUCKETS_OF, USERS_OF_A_BUCKET = 20_000, 16
BESIDE_BUCKETS = 20
"""Commits of a night beside those of its buckets, at most."""


def _work_off(path: Path, num_users: int, bucket_users: int = 4096) -> tuple[dict[str, int], float, int]:
    """Return counts, seconds and commits of profiling and noting pictures, a pair for each user."""
    settings = write_logs(path, num_users, events_per_user=EVENTS_PER_USER, bucket_users=bucket_users)
    prepare_night(settings)
    lake = share_lake(settings)
    run = open_run(lake)
    first, started = _last_commit(lake), time.perf_counter()
    counts = work_off(settings, run)
    return counts, time.perf_counter() - started, _last_commit(lake) - first


def _last_commit(lake) -> int:
    return lake.query("SELECT max(snapshot_id) AS last FROM ducklake_snapshots('lake')")["last"][0].as_py()


@benchmark("buckets_10x", plain="a pair of 100,000", ours="a pair of 1,000,000")
def buckets_10x() -> Measurement:
    """Selecting a pair's references and noting its picture, whatever others there are."""
    with folder() as path:
        few, plain, _ = _work_off(path / "few", FEW)
        many, ours, _ = _work_off(path / "many", MANY)
    assert (few["pictures"], many["pictures"]) == (FEW, MANY)
    remark = f"{MANY / ours:,.0f} pairs a second, nothing drawn"
    return Measurement(1e3 * plain / FEW, 1e3 * ours / MANY, "ms per pair", peak_mib(), remark)


@benchmark("commits", plain="a sixteenth of the buckets, and 20", ours="commits of a night")
def commits() -> Measurement:
    with folder() as path:
        counts, _, made = _work_off(path / "night", BUCKETS_OF, USERS_OF_A_BUCKET)
    bound = counts["buckets"] / BUCKETS_PER_COMMIT + BESIDE_BUCKETS
    return Measurement(bound, made, "commits", peak_mib(), f"{counts['buckets']:,} buckets")
