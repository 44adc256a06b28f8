"""Kill -9 of a night's own process, of a machine or of a process of it, at random moments.

Readers see the night before or the new one, and what was finished is not drawn again.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from flows.settings import read_settings
from flows.workspace import open_lake
from tests.cluster.machines import lose, workers_of
from tests.flows.nights import ask, run, use_variables
from tests.flows.on_ray.place import DOUBLED, NEEDS_RAY, ROOT, ROWS, place

pytestmark = NEEDS_RAY

DRIVER = """
import sys
from pathlib import Path
from flows.schedule.nightly import open_cluster
from flows.settings import read_settings
from flows.stages.night import run_night
settings = read_settings(Path(sys.argv[1]))
run_night(settings, tasks=open_cluster(settings))
"""
PAIRS = "SELECT artwork_digest, user_id, item_id FROM artworks ORDER BY ALL"
DRAWN = "SELECT artwork_digest, drawn_at FROM night.artworks"
ROUNDS = 4


class Readers:
    """A reader that asks for the published night again and again, until the block ends."""

    def __init__(self, settings_file):
        self._settings_file = settings_file
        self.seen = []

    def __enter__(self):
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _read(self):
        lake = open_lake(read_settings(self._settings_file), read_only=True)
        while not self._ended.wait(0.2):
            rows = [tuple(row.values()) for row in lake.query(PAIRS).to_pylist()]
            if not self.seen or self.seen[-1] != rows:
                self.seen.append(rows)
        lake.close()


class NightProcess:
    """A night in a process of its own."""

    def __init__(self, settings_file, log):
        command = [sys.executable, "-c", DRIVER, str(settings_file)]
        self.log = log
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with log.open("a") as words:
            self.process = subprocess.Popen(command, stdout=words, stderr=words, env=environment)

    def kill_after(self, seconds, victim, machines):
        """Kill one of those who work on it, unless it has ended; return whether, and its exit status."""
        try:
            return False, self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            is_killed = self._kill(victim, machines)
        return is_killed, self.process.wait(300)

    def _kill(self, victim, machines):
        if victim == "night":
            self.process.kill()
            return True
        if victim == "machine":
            lose(machines.machines.pop(0))
            machines.add()
            return True
        while self.process.poll() is None:
            if workers := [one for machine in machines.machines for one in workers_of(machine)]:
                workers[0].kill()
                return True
            time.sleep(0.05)
        return False


def night_alone(folder, alpha):
    """What a night on one machine leaves: its rows and pairs."""
    with use_variables({"FAN_DRAWING__ALPHA": alpha}):
        run(folder / "fan.toml")
        return ask(folder / "fan.toml", ROWS), ask(folder / "fan.toml", PAIRS)


def kill_and_finish(settings_file, machines, chance, seconds, log):
    """Start a night, kill what works on it, start it again if need be; return who was killed, if anybody.

    Args:
        settings_file: of the night.
        machines: on which it is run.
        chance: says who is killed, and when.
        seconds: that a night takes, with the start of its process.
        log: where its processes write.
    """
    victim, drawn = chance.choice(["night", "machine", "process"]), {}
    is_killed, status = NightProcess(settings_file, log).kill_after(
        chance.random() * seconds, victim, machines
    )
    if status:
        assert (victim, status) == ("night", -signal.SIGKILL), log.read_text()[-3000:]
        drawn = dict(ask(settings_file, DRAWN))
        assert NightProcess(settings_file, log).process.wait(300) == 0, log.read_text()[-3000:]
    after = dict(ask(settings_file, DRAWN))
    assert [digest for digest in drawn if after.get(digest, drawn[digest]) != drawn[digest]] == []
    return victim if is_killed else None


def assert_nothing_is_lost(settings_file, machines, tmp_path, chance, rounds):
    alone = place(tmp_path / "alone").parent
    with use_variables({"FAN_DRAWING__ALPHA": "0.4"}):
        began = time.monotonic()
        assert NightProcess(settings_file, tmp_path / "log").process.wait(300) == 0
        seconds = time.monotonic() - began
    _, first = night_alone(alone, "0.4")
    killed = []
    for number in range(rounds):
        alpha = f"{0.41 + number / 100:.2f}"
        rows, second = night_alone(alone, alpha)
        with use_variables({"FAN_DRAWING__ALPHA": alpha}), Readers(settings_file) as readers:
            victim = kill_and_finish(settings_file, machines, chance, seconds, tmp_path / "log")
            assert ask(settings_file, ROWS) == rows, victim
        killed.append(victim)
        assert ask(settings_file, DOUBLED) == [(0,)]
        assert all(seen in (first, second) for seen in readers.seen), victim
        first = second
    assert sum(map(bool, killed)) >= rounds / 2, killed


def test_a_night_of_which_anything_is_killed_at_any_moment_loses_and_doubles_nothing(
    settings_file, machines, tmp_path
):
    assert_nothing_is_lost(settings_file, machines, tmp_path, random.Random(3), ROUNDS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_kills_lose_and_double_nothing(seed, settings_file, machines, tmp_path):
    assert_nothing_is_lost(settings_file, machines, tmp_path, random.Random(100 + seed), 20)
