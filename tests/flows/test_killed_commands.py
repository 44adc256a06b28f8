"""Kill -9 of any command that writes, at any moment: asked again, it ends as if nobody had killed it.

`python -m pytest -m slow tests/flows/test_killed_commands.py` kills two hundred times and more.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from prefect.settings import PREFECT_API_URL

from feature_store.lake.lake import Lake
from flows.commands.doctor import examine
from flows.commands.maintain import maintain
from flows.settings import read_settings
from tests.flows.every_command import NO_SETTINGS, WRITERS
from tests.flows.nights import CONTRASTED, run, sample_ratings, write_movielens, write_settings
from tests.flows.test_crash import DIFFERS, TABLES

DRAWS = {"nightly", "generate", "profile"}
"""These have other settings of drawing: there is something to draw then."""
KILLS = 16
COUNTED = ("keyed.users", "keyed.opt_outs", "suppressions")


@pytest.fixture(scope="module")
def model(tiny_pipeline):
    return {"FAN_MODEL__PIPELINE": str(tiny_pipeline)}


class Commands:
    """A process that runs commands in processes of their own."""

    def __init__(self, home):
        environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value(), "PREFECT_HOME": str(home)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        module = [sys.executable, "-m", "tests.flows.command_runner"]
        self.process = subprocess.Popen(module, env=environment, **pipes)

    def run(self, words, *, kill_after=600.0):
        """Run a command, killing it after some seconds; return its status, what it said and its seconds."""
        started = time.monotonic()
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        command = int(self.process.stdout.readline())
        timer = threading.Timer(kill_after, os.kill, (command, signal.SIGKILL))
        timer.start()
        status, said = json.loads(self.process.stdout.readline())
        timer.cancel()
        return status, said, time.monotonic() - started


@pytest.fixture(scope="module")
def commands(model, prefect_server, tmp_path_factory):
    commands = Commands(tmp_path_factory.mktemp("prefect"))
    yield commands
    commands.process.communicate()


@pytest.fixture(scope="module")
def night(model, commands, tmp_path_factory):
    """A published night with a backup, a user who was forgotten since, and a log of tomorrow."""
    folder = tmp_path_factory.mktemp("killed")
    place = folder / "place"
    write_movielens(place / "logs", sample_ratings())
    settings_file = write_settings(place, CONTRASTED)
    run(settings_file)
    for words in (["backup", str(place / "kept")], ["forget", "3"]):
        status, said, _ = commands.run([*words, "--settings", str(settings_file)])
        assert status == 0, said
    later = [(user, film, 1.0, at + 1) for user, film, _, at in sample_ratings() if user != 3]
    write_movielens(place / "logs", [row for row in sample_ratings() if row[0] != 3] + later)
    (place / "other.toml").write_text(CONTRASTED.replace("contrast = 0.8", "contrast = 0.7"))
    shutil.copytree(place, folder / "pristine")
    return folder


def renew(night):
    shutil.rmtree(night / "place")
    shutil.copytree(night / "pristine", night / "place")


def words_of(name, night, attempt):
    words = [word.format(place=night / "place", attempt=attempt) for word in WRITERS[name]]
    settings_file = night / "place" / ("other.toml" if name in DRAWS else "fan.toml")
    return words if name in NO_SETTINGS else [*words, "--settings", str(settings_file)]


def what_is_there(night, attempt):
    """All rows, without what differs between any two runs, the bytes of pictures, and what was put out."""
    place = night / "place"
    settings = read_settings(place / "fan.toml")
    checks = examine(settings, is_deep=True)
    assert [check.promise for check in checks if check.num_offenders and check.is_broken] == []
    maintain(settings, keep=timedelta(0))
    found = {"pictures": files(settings.workspace / "images"), "tables": tables(settings.workspace)}
    found["output"] = files(place, deep=False)
    found["exported"] = files(place / f"export-{attempt}")
    copy = place / f"backup-{attempt}"
    if copy.exists():
        found["copy"] = tables(copy), sorted(files(copy / "images"))
    return found


def tables(workspace):
    lake = Lake(workspace / "lake", read_only=True)
    try:
        rows = {name: comparable(lake.query(f"FROM {name}").to_pylist()) for name in TABLES}
        return rows | {name: lake.query(f"FROM {name}").num_rows for name in COUNTED}
    finally:
        lake.close()


def comparable(rows):
    return sorted(str({name: value for name, value in row.items() if name not in DIFFERS}) for row in rows)


def files(folder, *, deep=True):
    found = folder.rglob("*") if deep else folder.glob("*")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(commands, night):
    """What each command leaves that nobody kills, and its seconds; known once it was asked for."""
    known = {}

    def of(name):
        if name not in known:
            renew(night)
            status, said, seconds = commands.run(words_of(name, night, 0))
            assert status == 0, said
            known[name] = what_is_there(night, 0), seconds
        return known[name]

    return of


def kill(name, chance, commands, night, undisturbed):
    """Kill a command at a moment by lot, ask it again, and compare; return whether it was killed."""
    expected, seconds = undisturbed(name)
    renew(night)
    attempt = 0
    status, said, _ = commands.run(words_of(name, night, 0), kill_after=seconds * chance.random())
    was_killed = status == signal.SIGKILL
    if was_killed:
        attempt = 1
        status, said, _ = commands.run(words_of(name, night, attempt))
    assert status == 0, said
    found = what_is_there(night, attempt)
    for part, content in expected.items():
        assert found[part] == content, part
    return was_killed


@pytest.mark.crash
@pytest.mark.parametrize("name", WRITERS)
def test_a_killed_command_asked_again_ends_as_if_nobody_had_killed_it(name, commands, night, undisturbed):
    kill(name, random.Random(name), commands, night, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_two_hundred_kills_of_all_commands_change_nothing(name, commands, night, undisturbed):
    chance = random.Random(f"{name}/many")
    killed = sum(kill(name, chance, commands, night, undisturbed) for _ in range(KILLS))
    assert killed > KILLS // 3
