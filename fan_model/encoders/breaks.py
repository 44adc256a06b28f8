"""Where drawing may be interrupted: between two batches of texts, and between two denoising steps.

Whoever draws says what is to be done there; nothing, if nobody says.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

BREAK: ContextVar[Callable[[], None] | None] = ContextVar("break", default=None)
"""What is done in the breaks of this context."""


def take_break() -> None:
    """Do what this context does in breaks."""
    between = BREAK.get()
    if between is not None:
        between()


@contextmanager
def with_breaks(between: Callable[[], None] | None) -> Iterator[None]:
    """Let something be done in each break of the block, or nothing; what it raises ends the drawing."""
    token = BREAK.set(between)
    try:
        yield
    finally:
        BREAK.reset(token)


def break_between_steps(scheduler: Any) -> None:  # noqa: ANN401 - diffusers has one class for each
    """Let a scheduler that draws one batch take a break before each of its steps."""
    step = scheduler.step

    # Pipelines look at what the step takes; it must seem to be the scheduler's own.
    @functools.wraps(step)
    def step_after_break(*given: object, **options: object) -> Any:  # noqa: ANN401
        take_break()
        return step(*given, **options)

    scheduler.step = step_after_break
