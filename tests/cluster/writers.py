"""Processes that write the same new keys at the same moments, each as on a machine of its own."""

import multiprocessing
import sys
import tempfile
from functools import partial
from pathlib import Path

from feature_store.lake import lake
from feature_store.lake.lake import Lake
from feature_store.lake.locks import LockFile

SPAWN = multiprocessing.get_context("spawn")
NUM_WRITERS = 2


def count_doubled(catalog: str, *, rounds: int, lock: str) -> int:
    """Let two processes upsert the same new key in each round; return how many keys have two rows."""
    folders = [tempfile.mkdtemp() for _ in range(NUM_WRITERS + 1)]
    reader = Lake(Path(folders.pop()), catalog=catalog)
    barrier = SPAWN.Barrier(NUM_WRITERS)
    writers = [
        SPAWN.Process(target=upsert, args=(folder, catalog, lock, rounds, barrier)) for folder in folders
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * NUM_WRITERS
    rows = reader.query("SELECT count(*) AS n, count(DISTINCT user_key) AS keys FROM night.target_states")
    reader.close()
    assert rows["keys"].to_pylist() == [rounds]
    return rows["n"][0].as_py() - rounds


def upsert(folder: str, catalog: str, lock: str, rounds: int, barrier) -> None:
    """Write a key in each round, as soon as the other writer is there, too."""
    if lock != "advisory":
        lake.make_lock = lambda file, catalog, *, timeout: LockFile(file, timeout=timeout)
    own = Lake(Path(folder), catalog=catalog)
    if lock == "fence":
        own._connection.execute(lake.FENCE)
    for key in range(rounds):
        barrier.wait(timeout=60)
        own.write(partial(replace, key=key), "upsert")
    own.close()


def replace(connection, key):
    connection.execute(f"DELETE FROM night.target_states WHERE user_key = {key}")
    connection.execute(f"INSERT INTO night.target_states VALUES ({key}, 'r', 'n')")


HOLD_NIGHT = """
import sys, time
from pathlib import Path
from flows.night_lock import hold_night
from flows.settings import read_settings
with hold_night(read_settings(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""
HOLDING = (sys.executable, "-c", HOLD_NIGHT)
"""A process that holds the night of a settings file, and says so."""
