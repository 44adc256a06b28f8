"""Tasks on the machines of a Ray cluster: plain ones, of one bucket each, whose processes keep the model.

A task is bound to no machine. If its machine is lost, Ray runs it again on another; what it draws is named by
its content, and its rows are committed by the night alone, so twice leaves what once does.
"""

import functools
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray
from ray import ObjectRef, cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.remote_function import RemoteFunction

from feature_store.lake.durable_files import NOTHING_LOST
from flows.environment import prepare_environment
from flows.settings import Settings, workspace_here
from flows.workspace import Workspace

Item = TypeVar("Item")
Made = TypeVar("Made")

RETRIES = 20
"""How often a task is run again whose machine, or process, is lost; then something is wrong with it."""
FOR_EACH_SLOT = 2
"""Tasks that are handed out for each that can run: one runs, one waits."""
LEAST_IN_FLIGHT = 4
KNOCK_SECONDS = 10.0
WAKE_SECONDS = 2.0
"""How often the night looks whether machines have come or gone."""


class ClusterError(RuntimeError):
    """Ray's cluster is not reached, or cannot run a night; the message says what to do."""


class RayTasks:
    """Runs the tasks of buckets on a cluster, and all others in this process.

    Args:
        settings: of the night, with the cluster's address.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.most_in_flight = 0
        """Tasks that were handed out at one time, at most."""

    def run(self, name: str, task: Callable[[], Made]) -> Made:
        """Run one task here, where the lake is written."""
        return task()

    def map(
        self, name: str, task: Callable[[Item], Made], items: Sequence[Item], *, whole_machine: bool = False
    ) -> Iterator[Made]:
        """Run a task for each item, never more at once than a window that follows the machines there are.

        Raises:
            ClusterError: if the cluster is not reached, or a task lost too many machines.
        """
        if not items:
            return
        self._connect()
        remote = self._remote(name, is_drawing=whole_machine)
        place = ray.put(pickle.dumps((self._settings.workspace, cloudpickle.dumps(task))))
        waiting, is_left = iter(items), True
        running: list[ObjectRef] = []
        while is_left or running:
            while is_left and len(running) < self._window():
                item = next(waiting, None)
                is_left = item is not None
                if is_left:
                    running.append(remote.remote(place, item))
            self.most_in_flight = max(self.most_in_flight, len(running))
            done, running = ray.wait(running, num_returns=1, timeout=WAKE_SECONDS)
            for reference in done:
                yield _result(reference)

    def _connect(self) -> None:
        if not ray.is_initialized():
            try:
                _knock(str(self._settings.ray_address))
                ray.init(address=self._settings.ray_address, log_to_driver=False, logging_level="ERROR")
            except (OSError, RayError, RuntimeError, ValueError) as error:
                raise ClusterError(
                    f"Ray's cluster at {self._settings.ray_address} is not reached ({type(error).__name__}): "
                    f"see `ray status` there. {NOTHING_LOST}"
                ) from error
        hosts = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        if len(hosts) > 1 and not self._settings.storage:
            raise ClusterError(
                f"Ray's cluster has {len(hosts)} machines, which cannot all see the folder "
                f'{self._settings.workspace}: set storage = "s3://bucket/prefix"'
            )

    def _remote(self, name: str, *, is_drawing: bool) -> RemoteFunction:
        settings = self._settings
        options = {
            "num_cpus": settings.ray_cpus,
            "num_gpus": settings.ray_gpus if is_drawing else 0,
            "max_retries": RETRIES,
            "retry_exceptions": [ConnectionError, TimeoutError],
            # A task with a GPU would get a new process otherwise, and load the model again.
            "max_calls": 0,
            "scheduling_strategy": "SPREAD",
        }
        return ray.remote(**options)(run_here).options(name=name)

    def _window(self) -> int:
        there = ray.cluster_resources()
        slots = there.get("CPU", 0.0) / self._settings.ray_cpus
        if self._settings.ray_gpus:
            slots = min(slots, there.get("GPU", 0.0) / self._settings.ray_gpus)
        return max(LEAST_IN_FLIGHT, FOR_EACH_SLOT * int(slots))


def _knock(address: str) -> None:
    """Try the address for some seconds, where Ray would for minutes.

    Raises:
        OSError: if nobody listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


def run_here(work: bytes, item: object) -> object:
    """Run a task on the machine that Ray chose."""
    return _unpack(work)(item)


@functools.lru_cache(maxsize=1)
def _unpack(work: bytes) -> Callable[[object], object]:
    """Prepare this process before unpacking imports the model's libraries; once for all tasks of a stage."""
    workspace, task = pickle.loads(work)
    prepare_environment(Workspace(workspace_here(workspace)).prefect)
    return pickle.loads(task)


def _result(reference: ObjectRef) -> Made:  # type: ignore[type-var]
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise ClusterError(
            f"a task lost its machine or its process {RETRIES} times ({type(error).__name__}): see that a "
            f"machine has the memory for the model. {NOTHING_LOST}"
        ) from error
