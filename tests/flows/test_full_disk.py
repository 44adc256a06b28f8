"""A full disk: every command says so in one line, and does its work once there is room."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.every_command import NO_SETTINGS, WRITERS
from tests.flows.nights import CONTRASTED, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OWN_DISK = ["unshare", "--map-root-user", "--mount"]
READERS = {
    "query": ["query", "FROM artworks"],
    "explain": ["explain", "1", "{item}"],
    "search": ["search", "1", "a western"],
    "verify": ["verify", "1"],
    "doctor": ["doctor", "--deep"],
}
OTHERS = {"embed", "profile", "restore"}
"""The first two are part of `nightly`; nothing is left for them here, and there is no backup."""
COMMANDS = {name: words for name, words in WRITERS.items() if name not in OTHERS} | READERS
DRAWS = {"nightly", "generate", "draw"}
"""Try other settings of drawing: there is something to draw then, and nothing can be published before."""


@pytest.fixture(scope="module")
def model(tiny_pipeline):
    """The tiny pipeline, in a registry of the workspace's own: elsewhere there would be room."""
    return {"FAN_MODEL__PIPELINE": str(tiny_pipeline)}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """The folder of a published night, to which a log of tomorrow has been delivered."""
    folder = tmp_path_factory.mktemp("full")
    write_movielens(folder / "place" / "logs", sample_ratings())
    settings_file = write_settings(folder / "place", CONTRASTED)
    run(settings_file)
    later = [(user, film, 1.0, time + 1) for user, film, _, time in sample_ratings()]
    write_movielens(folder / "place" / "logs", sample_ratings() + later)
    shutil.copytree(folder / "place", folder / "pristine")
    return folder


@pytest.mark.skipif(
    subprocess.run([*OWN_DISK, "true"], capture_output=True).returncode != 0,
    reason="this machine lets nobody mount a disk of their own",
)
@pytest.mark.parametrize("room", [0, 300_000], ids=["full", "nearly full"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_when_there_is_room(name, room, night):
    place = night / "place"
    item = ask(place / "fan.toml", "SELECT item_id FROM artworks WHERE user_id = '1' LIMIT 1")[0][0]
    arguments = [word.format(place=place, item=item, attempt=1) for word in COMMANDS[name]]
    if name not in NO_SETTINGS:
        arguments += ["--settings", str(place / "fan.toml")]
    variables = {"FAN_DRAWING__CONTRAST": "0.7"} if name in DRAWS else {}
    module = [sys.executable, "-m", "tests.flows.full_disk"]
    ran = subprocess.run(
        [*OWN_DISK, *module, str(place), str(night / "pristine"), str(room), *arguments],
        cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout.splitlines()[-1])
    full, after = found["full"], found["after"]
    assert "Traceback" not in full["out"] + full["err"] + ran.stderr
    assert full["status"] or room or name in READERS, "the disk was not full"
    if full["status"]:
        assert full["err"].splitlines()[-1].startswith("fan: "), full["err"]
    assert after["status"] == 0, after["err"]
    assert found["broken"] == []
