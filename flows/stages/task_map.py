"""How the tasks of a flow are run: the seam at which a scheduler or a cluster takes over from this process.

A task is a plain function that opens what it needs, bound to its settings by `functools.partial`, so that it
can be pickled and run on another machine. Tasks exchange a run and the numbers of buckets, never arrays.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import duckdb

from feature_store.lake.lake import is_transient

Counts = dict[str, int]
"""What a task did, by name."""

Item = TypeVar("Item")
Made = TypeVar("Made")


class TaskMap(Protocol):
    """Runs tasks, and waits until they are done. An error of a task is raised as it is."""

    def run(self, name: str, task: Callable[[], Made]) -> Made:
        """Run one task, and return what it made."""

    def map(
        self, name: str, task: Callable[[Item], Made], items: Sequence[Item], *, whole_machine: bool = False
    ) -> Iterator[Made]:
        """Run a task for each item, and yield what each made, as they are done.

        Args:
            name: of the task, for those who watch.
            task: what is run.
            items: one for each call.
            whole_machine: whether a call uses every core, or the whole device, of the machine that runs it.
        """


class TasksInTurn:
    """Runs tasks in this process, one after another."""

    def run(self, name: str, task: Callable[[], Made]) -> Made:
        """Run one task."""
        return task()

    def map(
        self, name: str, task: Callable[[Item], Made], items: Sequence[Item], *, whole_machine: bool = False
    ) -> Iterator[Made]:
        """Run a task for each item, in their order."""
        return map(task, items)


IN_TURN = TasksInTurn()


def is_worth_retrying(error: object) -> bool:
    """Tell whether an error may go away by itself: a network that drops, a catalogue that is busy."""
    if isinstance(error, duckdb.Error):
        return is_transient(error)
    return isinstance(error, ConnectionError | TimeoutError)
