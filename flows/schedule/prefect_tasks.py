"""Tasks as Prefect runs them: seen, retried, and on this machine side by side.

What Prefect stores of a task are its name, its states and how long it took. It is given no more: settings
and run are bound to the task before Prefect sees it, results are not kept, and of an error only the kind is
told, for a message may name a file or a text.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from prefect import task as prefect_task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import deployment

from flows.stages.task_map import TaskMap, is_worth_retrying

Item = TypeVar("Item")
Made = TypeVar("Made")

logger = logging.getLogger(__name__)


class StoppedError(RuntimeError):
    """Something that Prefect ran stopped; `error` is why, and the message its kind."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.error = error


def tell_kind(call: Callable[[], Made]) -> Made:
    """Call inside Prefect.

    Raises:
        StoppedError: in place of any error, with its kind as the message.
    """
    try:
        return call()
    except Exception as error:
        raise StoppedError(error) from None


def tell_all(call: Callable[[], Made]) -> Made:
    """Call something that Prefect runs, and raise what stopped it as it was."""
    try:
        return call()
    except StoppedError as stopped:
        error = stopped.error
    # Not among the handled ones any more: else the two would name one another as their causes.
    raise error


def log_if_deployed(error: Exception) -> None:
    """Write an error to this process's log if a deployment runs here: nobody else is told of it."""
    if deployment.id:
        logger.error("the flow stopped", exc_info=error)


def _is_worth_retrying(_task: object, _run: TaskRun, state: State) -> bool:
    stopped = state.result(raise_on_failure=False)
    return isinstance(stopped, StoppedError) and is_worth_retrying(stopped.error)


RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 10, 60],
    "retry_condition_fn": _is_worth_retrying,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


SHOWN_SECONDS = 5.0
"""How often Prefect is told how far a cluster is."""
IN_FLIGHT = 8
"""Tasks that Prefect has at once: however many there are, memory stays the same."""


class PrefectTasks:
    """Runs tasks as Prefect's, inside a flow.

    Args:
        cluster: runs the tasks of many items instead, if there is one; Prefect shows how far they are.
    """

    def __init__(self, cluster: TaskMap | None = None) -> None:
        self._cluster = cluster

    def run(self, name: str, task: Callable[[], Made]) -> Made:
        """Run one task."""

        @prefect_task(name=name, **RETRIES)
        def once() -> Made:
            return tell_kind(task)

        return tell_all(once)

    def map(
        self, name: str, task: Callable[[Item], Made], items: Sequence[Item], *, whole_machine: bool = False
    ) -> Iterator[Made]:
        """Run a task for each item, some side by side unless each uses the whole machine."""
        if self._cluster:
            made = self._cluster.map(name, task, items, whole_machine=whole_machine)
            yield from _show_progress(name, made, len(items))
            return

        @prefect_task(name=name, **RETRIES)
        def each(item: Item) -> Made:
            return tell_kind(partial(task, item))

        if whole_machine:
            yield from (tell_all(partial(each, item)) for item in items)
            return
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(each.submit(item))
            if len(waiting) == IN_FLIGHT:
                yield tell_all(waiting.popleft().result)
        yield from (tell_all(future.result) for future in waiting)


def _show_progress(name: str, made: Iterator[Made], total: int) -> Iterator[Made]:
    """Pass on what is made, and tell Prefect from time to time how much of it there is."""
    if not total:
        return
    artifact: Any = create_progress_artifact(0.0, key=f"{name}-progress", description=f"{total:,} of {name}")
    told = time.monotonic()
    for number, each in enumerate(made, start=1):
        yield each
        if number == total or time.monotonic() - told > SHOWN_SECONDS:
            update_progress_artifact(artifact, 100.0 * number / total)
            told = time.monotonic()
