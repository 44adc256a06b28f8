"""A night on several machines that share no folder: the one-machine night's pictures and rows."""

from feature_store.lake.stored_files import ObjectFiles
from flows.schedule.nightly import open_cluster
from flows.settings import read_settings
from flows.stages.night import run_night
from tests.cluster.machines import lose
from tests.flows.nights import ask, run
from tests.flows.on_ray.place import DOUBLED, NEEDS_RAY, REFERENCES, ROWS, place

pytestmark = NEEDS_RAY


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
