"""Tasks as Prefect runs them: seen, retried, and on this machine side by side.

What Prefect stores of a task are its name, its states and how long it took. It is given no more: settings
and run are bound to the task before Prefect sees it, results are not kept, and of an error only the kind is
told, for a message may name a file or a text.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from prefect import task as prefect_task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import deployment

from flows.stages.task_map import is_worth_retrying

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


class PrefectTasks:
    """Runs tasks as Prefect's, inside a flow."""

    def run(self, name: str, task: Callable[[], Made]) -> Made:
        """Run one task."""

        @prefect_task(name=name, **RETRIES)
        def once() -> Made:
            return tell_kind(task)

        return tell_all(once)

    def map(
        self, name: str, task: Callable[[Item], Made], items: Sequence[Item], *, whole_machine: bool = False
    ) -> list[Made]:
        """Run a task for each item, side by side unless each uses the whole machine."""

        @prefect_task(name=name, **RETRIES)
        def each(item: Item) -> Made:
            return tell_kind(partial(task, item))

        if whole_machine:
            return [tell_all(partial(each, item)) for item in items]
        futures = each.map(items)
        return [tell_all(future.result) for future in futures]
