"""A Ray cluster of several machines on loopback, each with a workspace of its own."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
RAY = Path(sys.executable).with_name("ray")
STORE_BYTES = 100 * 2**20
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # A lost machine is noticed within seconds, as the tests have no minutes to wait.
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}


class RayMachines:
    """The machines of one cluster; the first has no CPU for tasks, as where only the night runs.

    Args:
        folder: where each machine has its workspace.
        variables: of the environment of all machines, such as the keys of an object store.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder, self._variables = folder, {**VARIABLES, **variables}
        self.machines: list[psutil.Process] = []
        self._cluster = None

    def start(self) -> str:
        """Start the first machine; return the cluster's address."""
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.2"}
        self._cluster = Cluster(
            initialize_head=True, head_node_args={**head, "object_store_memory": STORE_BYTES}
        )
        return self._cluster.address

    def add(self, *, num_gpus: int = 0) -> psutil.Process:
        """Start another machine; return the process whose death is the machine's."""
        number = len(self.machines)
        os.environ["FAN_WORKSPACE"] = str(self._folder / f"machine-{number}")
        try:
            node = self._cluster.add_node(
                num_cpus=1,
                num_gpus=num_gpus,
                node_ip_address=f"127.0.0.{3 + number}",
                object_store_memory=STORE_BYTES,
            )
        finally:
            del os.environ["FAN_WORKSPACE"]
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        self.machines.append(raylet)
        return raylet

    def workspaces(self) -> list[Path]:
        """The workspaces of the machines that tasks ran on."""
        return sorted(self._folder.glob("machine-*"))

    def stop(self) -> None:
        """Stop all machines."""
        import ray

        ray.shutdown()
        if self._cluster:
            self._cluster.shutdown()


def lose(machine: psutil.Process) -> None:
    """Kill a machine's processes at once, as when it loses its power."""
    for process in (machine, *machine.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def workers_of(machine: psutil.Process) -> list[psutil.Process]:
    """The processes of a machine that run tasks."""
    found = []
    for process in machine.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            # A machine ends itself when one of its own agents does.
            if process.name().startswith("ray::") and "Agent" not in process.name():
                found.append(process)
    return found


@contextmanager
def run_machines(folder: Path, variables: Mapping[str, str]) -> Iterator[RayMachines]:
    """Run a cluster of one machine until the block ends; more can be added."""
    before = {name: os.environ.get(name) for name in (*VARIABLES, *variables)}
    os.environ.update(VARIABLES | dict(variables))
    machines = RayMachines(folder, variables)
    try:
        yield machines
    finally:
        machines.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
