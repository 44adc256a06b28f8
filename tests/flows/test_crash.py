"""Kill -9 at any moment: what the next night finishes equals a night that was never killed.

`make test-crash` kills a few times, `python -m pytest -m slow tests/flows/test_crash.py` a hundred times.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from prefect.settings import PREFECT_API_URL

from feature_store.lake.lake import Lake
from flows.commands.maintain import maintain
from flows.settings import read_settings
from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.crash

KILLS = 5
DIFFERS = {"run_id", "snapshot_id", "ingested_at", "drawn_at", "model_version", "window_end", "sha256"}
DIFFERS |= {"user_key", "artwork_id"}
"""Columns that no two nights have in common: their names, times, versions, and keys, which are random."""
TABLES = ("interactions", "items", "ingested_files", "rejected_rows", "targets", "profiles", "artworks")
BROKEN = [("", 3, 4.0, 1_000_000_000), (1, 4, 4.0, "yesterday")]


class Runner:
    """A process that runs nights in processes of their own, and logs what they say."""

    def __init__(self, home):
        environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value(), "PREFECT_HOME": str(home)}
        command = [sys.executable, "-m", "tests.flows.night_runner"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        home.mkdir(exist_ok=True)
        self.log = home / "nights.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log, **pipes)

    def run(self, settings_file, *, kill_after=None):
        """Run a night, killing it after some seconds; return its exit status and how long it ran."""
        started, night = time.monotonic(), self.start(settings_file)
        timer = threading.Timer(kill_after or 600, os.kill, (night, signal.SIGKILL))
        timer.start()
        status = self.wait()
        timer.cancel()
        return status, time.monotonic() - started

    def start(self, settings_file):
        """Start a night; return its process."""
        self.process.stdin.write(f"{settings_file}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self):
        """Wait until the night has ended; return its exit status."""
        return int(self.process.stdout.readline())

    def close(self):
        """End the process, whose nights have ended."""
        self.process.communicate()


@pytest.fixture(scope="module")
def model(tiny_pipeline):
    """With a model registry of each night's own, so that registering is among what is killed."""
    return {"FAN_MODEL__PIPELINE": str(tiny_pipeline)}


@pytest.fixture(scope="module")
def runner(model, prefect_server, tmp_path_factory):
    runner = Runner(tmp_path_factory.mktemp("prefect"))
    yield runner
    runner.close()


def write_night(folder, extra=()):
    write_movielens(folder / "logs", [*sample_ratings(), *BROKEN, *extra])
    return write_settings(folder, NIGHT)


@pytest.fixture(scope="module")
def undisturbed(runner, tmp_path_factory):
    """A night that nobody killed: its tables, its pictures, and how long it took."""
    settings_file = write_night(tmp_path_factory.mktemp("undisturbed"))
    status, seconds = runner.run(settings_file)
    assert status == 0
    return what_is_there(settings_file), seconds


def what_is_there(settings_file):
    """All rows, without what differs between any two nights, and the bytes of all pictures."""
    workspace = settings_file.parent / "workspace"
    lake = Lake(workspace / "lake", read_only=True)
    tables = {name: comparable(lake.query(f"FROM {name}").to_pylist()) for name in TABLES}
    lake.close()
    return tables | {
        "pictures": {path.name: path.read_bytes() for path in (workspace / "images").glob("*/*")}
    }


def comparable(rows):
    return sorted(str({name: value for name, value in row.items() if name not in DIFFERS}) for row in rows)


def crash_and_finish(runner, settings_file, seconds, chance):
    """Start the night again and again, killing it at moments spread over all stages; then let it finish."""
    killed = 0
    for number in range(KILLS):
        moment = seconds * (number + chance.random()) / KILLS
        status, _ = runner.run(settings_file, kill_after=moment)
        killed += status == signal.SIGKILL
    assert runner.run(settings_file)[0] == 0
    return killed


def assert_same_night(runner, undisturbed, folder, chance):
    expected, seconds = undisturbed
    settings_file = write_night(folder)
    # What was done before a kill is not done again, so later attempts may end before their moment.
    assert crash_and_finish(runner, settings_file, seconds, chance) > 0
    maintain(read_settings(settings_file), keep=timedelta(0))
    found = what_is_there(settings_file)
    for name, rows in expected.items():
        assert found[name] == rows, name
    lake = Lake(folder / "workspace" / "lake", read_only=True)
    statuses = lake.query("SELECT status FROM runs ORDER BY window_end")["status"].to_pylist()
    assert set(statuses) == {"published"}
    known = lake.query(
        "SELECT data_file FROM ducklake_list_files('lake', 'interactions', schema => 'keyed')"
    )["data_file"].to_pylist()
    lake.close()
    files = {
        str(path)
        for path in (folder / "workspace" / "lake" / "data" / "keyed" / "interactions").rglob("*.parquet")
    }
    assert {path for path in files if not path.endswith("-delete.parquet")} <= set(known)


def test_a_night_killed_at_any_stage_ends_like_one_that_was_never_killed(runner, undisturbed, tmp_path):
    assert_same_night(runner, undisturbed, tmp_path, random.Random(20))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_hundred_kills_change_nothing(seed, runner, undisturbed, tmp_path):
    assert_same_night(runner, undisturbed, tmp_path, random.Random(seed))


WHOLE_NIGHT = """
    SELECT t.user_id, t.item_id, a.artwork_digest, a.alpha, count(p.position) AS num_references
    FROM targets AS t
    LEFT JOIN artworks AS a USING (user_id, item_id)
    LEFT JOIN profiles AS p USING (user_id, item_id)
    GROUP BY ALL ORDER BY ALL
"""


def test_readers_throughout_a_night_see_one_whole_night_or_the_next(runner, tmp_path):
    settings_file = write_night(tmp_path)
    assert runner.run(settings_file)[0] == 0
    lake = Lake(tmp_path / "workspace" / "lake", read_only=True)
    before = lake.query(WHOLE_NIGHT).to_pylist()
    write_night(tmp_path, extra=[(2, 21, 5.0, 1_100_000_000)])
    write_settings(tmp_path, NIGHT + "alpha = 0.8\n")
    seen, ended = [], threading.Event()

    def read():
        while not ended.is_set():
            seen.append(lake.query(WHOLE_NIGHT).to_pylist())

    reader = threading.Thread(target=read)
    reader.start()
    status, _ = runner.run(settings_file)
    ended.set()
    reader.join()
    after = lake.query(WHOLE_NIGHT).to_pylist()
    lake.close()
    assert status == 0
    assert before != after
    assert len(seen) > 10
    assert all(rows in (before, after) for rows in seen)


def test_of_two_nights_at_once_the_second_stops(runner, tmp_path):
    settings_file = write_night(tmp_path)
    second = Runner(tmp_path / "prefect")
    first = runner.start(settings_file)
    while not (tmp_path / "workspace" / "night.lock").exists():
        time.sleep(0.01)
    time.sleep(0.2)  # the file is there a moment before it is locked
    os.kill(first, signal.SIGSTOP)  # else it might end before the second has begun
    status, _ = second.run(settings_file)
    os.kill(first, signal.SIGCONT)
    second.close()
    assert status != 0
    assert "another night is running" in second.log.read_text()
    assert runner.wait() == 0, runner.log.read_text()[-2000:]
