"""Servers that pause or start anew in the middle of a night: it goes on, or says so and is carried on."""

import threading
import time

import pytest

from flows.cli.program import say
from flows.settings import read_settings
from flows.stages.night import run_night
from flows.stages.task_map import IN_TURN
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.cluster

PAUSE_SECONDS = 30
MANY_BUCKETS = NIGHT.replace("bucket_users = 3", "bucket_users = 1")
ROWS = """
    SELECT user_id, item_id, artwork_digest, image_path, image_sha256, plain_image_path, visible_change, seed,
           num_references, status FROM artworks ORDER BY ALL
"""
DOUBLED = "SELECT count(*) - count(DISTINCT (user_key, item_id)) FROM night.artworks"


class DisturbedTasks:
    """Runs a night's tasks, and disturbs a server after the first bucket of one of them."""

    def __init__(self, task, disturb):
        self._task, self._disturb = task, disturb
        self.is_disturbed = False

    def run(self, name, task):
        return IN_TURN.run(name, task)

    def map(self, name, task, items, *, whole_machine=False):
        for number, made in enumerate(IN_TURN.map(name, task, items, whole_machine=whole_machine), start=1):
            if name.startswith(self._task) and number == 1 < len(items):
                self._disturb()
                self.is_disturbed = True
            yield made


def place(folder, lines=""):
    write_movielens(folder / "logs", sample_ratings())
    return write_settings(folder, lines + MANY_BUCKETS)


@pytest.fixture
def disturbances(postgres, object_store):
    """What can happen to the servers, by name."""

    def pause():
        object_store.pause()
        threading.Timer(PAUSE_SECONDS, object_store.carry_on).start()

    yield {"pause": pause, "restart": lambda: postgres.control("restart", "-m", "immediate")}
    object_store.carry_on()


@pytest.mark.parametrize("task", ["profile", "generate"])
@pytest.mark.parametrize("disturbance", ["pause", "restart"])
def test_a_night_goes_on_or_stops_in_one_sentence_and_is_carried_on(
    disturbance, task, disturbances, tmp_path, catalog, storage, monkeypatch
):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    alone = place(tmp_path / "alone")
    run(alone)
    on_servers = place(tmp_path / "servers", f'catalog = "{catalog}"\nstorage = "{storage}"\n')
    began, tasks = time.monotonic(), DisturbedTasks(task, disturbances[disturbance])
    try:
        run_night(read_settings(on_servers), tasks=tasks)
    except Exception as error:
        said = say(error)
        assert "\n" not in said
        assert "report this line" not in said
        time.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - began)))
        run(on_servers)
    assert tasks.is_disturbed
    assert ask(on_servers, ROWS) == ask(alone, ROWS)
    assert ask(on_servers, DOUBLED) == [(0,)]
