"""Tasks on several machines of Ray: each once, whatever is lost, and never too many at once."""

import os
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from flows.settings import Settings
from tests.cluster import sleepers
from tests.cluster.machines import lose, run_machines, workers_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: fan-artwork[cluster]"),
]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machines(tmp_path):
    import ray

    with run_machines(tmp_path / "machines", {"PYTHONPATH": str(ROOT)}) as machines:
        address = machines.start()
        # On loopback alone Ray would look for the cluster at the machine's outer address.
        ray.init(address=address, _node_ip_address="127.0.0.2", log_to_driver=False, logging_level="ERROR")
        yield machines


@pytest.fixture
def tasks(machines, tmp_path):
    from flows.schedule.ray_tasks import RayTasks

    source = {"adapter": "movielens", "path": str(tmp_path)}
    return RayTasks(Settings(sources=[source], ray_address="auto", storage="s3://fan/tests"))


def run(tasks, seconds, items):
    """Run sleeping tasks; return what they said, by item."""
    made = tasks.map("sleep", partial(sleepers.sleep, seconds), items, whole_machine=True)
    return {said[0]: said for said in made}


def test_every_machine_works_its_processes_keep_what_they_loaded_and_few_tasks_are_out_at_once(
    machines, tasks
):
    for _ in range(2):
        machines.add()
    said = run(tasks, 0.2, range(30))
    assert sorted(said) == list(range(30))
    assert len({place for *_, place in said.values()}) == 2
    assert {loads for _, _, loads, _ in said.values()} == {1}
    assert len({process for _, process, _, _ in said.values()}) == 2
    assert tasks.most_in_flight == 4


def test_a_machine_and_a_process_that_are_lost_and_a_machine_that_joins(machines, tasks):
    first, second = machines.add(), machines.add()
    events = {
        3: lambda: lose(first),
        6: lambda: [worker.kill() for worker in workers_of(second)],
        8: machines.add,
    }
    said = {}
    for one in tasks.map("sleep", partial(sleepers.sleep, 0.5), range(24), whole_machine=True):
        said[one[0]] = one
        events.pop(len(said), lambda: None)()
    assert sorted(said) == list(range(24))
    assert any(place.endswith("machine-2") for *_, place in said.values())


def test_memory_and_tasks_that_are_out_do_not_grow_with_the_number_of_buckets(machines, tasks):
    machines.add()
    own = psutil.Process(os.getpid())
    made = tasks.map("sleep", partial(sleepers.sleep, 0.0), range(2_000))
    for _ in range(300):
        next(made)
    before = own.memory_info().rss
    assert sum(1 for _ in made) == 1_700
    assert own.memory_info().rss - before < 20 * 2**20
    assert tasks.most_in_flight == 4


def test_an_error_of_a_task_is_raised_as_it_is_and_a_network_that_drops_is_tried_again(
    machines, tasks, tmp_path
):
    machines.add()
    assert sorted(tasks.map("once", partial(sleepers.fail_once, str(tmp_path)), range(3))) == [0, 1, 2]
    with pytest.raises(ValueError, match="bucket 7 cannot be read"):
        list(tasks.map("fail", sleepers.fail, [7]))


@pytest.mark.slow
def test_three_machines_are_almost_three_times_as_fast_as_one(machines, tasks):
    seconds = []
    for _ in range(3):
        machines.add()
        run(tasks, 0.5, range(8))  # its process starts
        started = time.monotonic()
        run(tasks, 1.0, range(24))
        seconds.append(time.monotonic() - started)
    assert seconds[0] / seconds[1] >= 1.9
    assert seconds[0] / seconds[2] >= 2.7


def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    from flows.schedule.ray_tasks import ClusterError, RayTasks

    source = {"adapter": "movielens", "path": str(tmp_path)}
    away = RayTasks(Settings(sources=[source], ray_address="127.0.0.9:1"))
    with pytest.raises(ClusterError, match=r"Ray's cluster at 127\.0\.0\.9:1 is not reached .*see `ray sta"):
        list(away.map("sleep", partial(sleepers.sleep, 0), [1]))


def test_several_machines_without_an_object_store_are_refused(machines, tmp_path):
    from flows.schedule.ray_tasks import ClusterError, RayTasks

    machines.add()
    source = {"adapter": "movielens", "path": str(tmp_path)}
    tasks = RayTasks(Settings(sources=[source], ray_address="auto"))
    with pytest.raises(ClusterError, match="has 2 machines, which cannot all see the folder .*set storage"):
        list(tasks.map("sleep", partial(sleepers.sleep, 0), [1]))
