"""A night on several machines that share no folder: the one-machine night's pictures and rows."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from feature_store.lake.stored_files import ObjectFiles
from flows.schedule.nightly import open_cluster
from flows.settings import read_settings
from flows.stages.night import run_night
from tests.cluster.machines import lose, run_machines
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: fan-artwork[cluster]"),
]

ROOT = Path(__file__).parents[2]
MANY_BUCKETS = NIGHT.replace("bucket_users = 3", "bucket_users = 1").replace("per_user = 1", "per_user = 3")
ROWS = """
    SELECT user_id, item_id, artwork_digest, image_path, image_sha256, plain_image_path, visible_change, seed,
           num_references, status, reason FROM artworks ORDER BY ALL
"""
REFERENCES = "SELECT user_id, item_id, position, reference_item_id, weight, origin FROM profiles ORDER BY ALL"
DOUBLED = "SELECT count(*) - count(DISTINCT (user_key, item_id)) FROM night.artworks"


def place(folder, lines=""):
    write_movielens(folder / "logs", sample_ratings())
    return write_settings(folder, lines + MANY_BUCKETS)


@pytest.fixture
def settings_file(tmp_path, catalog, storage, monkeypatch):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", "")
    lines = f'catalog = "{catalog}"\nstorage = "{storage}"\nray_address = "auto"\n'
    return place(tmp_path / "night", lines)


@pytest.fixture
def machines(tmp_path, object_store):
    import ray

    variables = object_store.variables | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with run_machines(tmp_path / "machines", variables) as machines:
        address = machines.start()
        ray.init(address=address, _node_ip_address="127.0.0.2", log_to_driver=False, logging_level="ERROR")
        for _ in range(2):
            machines.add()
        yield machines


class LosesOne:
    """Runs a night's tasks, and loses a machine when the first bucket of pictures is done."""

    def __init__(self, tasks, machine):
        self._tasks, self._machine = tasks, machine

    def run(self, name, task):
        return self._tasks.run(name, task)

    def map(self, name, task, items, *, whole_machine=False):
        for number, made in enumerate(self._tasks.map(name, task, items, whole_machine=whole_machine)):
            if whole_machine and number == 0:
                lose(self._machine)
            yield made


def test_a_night_that_loses_a_machine_has_the_pictures_and_rows_of_one_machine(
    settings_file, machines, tmp_path, storage
):
    alone = place(tmp_path / "alone")
    run(alone)
    settings = read_settings(settings_file)
    night = run_night(settings, tasks=LosesOne(open_cluster(settings), machines.machines[0]))
    assert night.status == "published"
    assert ask(settings_file, ROWS) == ask(alone, ROWS)
    assert ask(settings_file, REFERENCES) == ask(alone, REFERENCES)
    assert ask(settings_file, DOUBLED) == [(0,)]
    files, root = ObjectFiles(storage), read_settings(alone).workspace
    expected = {str(path.relative_to(root)): path.read_bytes() for path in (root / "images").rglob("*.*")}
    assert {path: files.read(path) for path in files.list("images")} == expected
    assert list(files.list("work")) == []
    kept = {path.parent.name for machine in machines.workspaces() for path in machine.rglob("*.*")}
    assert kept <= {"references", "mlflow", "prefect"}
    assert night.counts["generate"]["generated"] + night.counts["generate"]["reused"] == len(ask(alone, ROWS))
