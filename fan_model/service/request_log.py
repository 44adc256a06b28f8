"""What the service writes to its log: ids, counts and places in the code, and nothing that a caller sent."""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
PACKAGE = __name__.rpartition(".")[0]


def open_log() -> None:
    """Show the service's log in this process, in place of uvicorn's, which writes whole URLs."""
    access_log = logging.getLogger("uvicorn.access")
    access_log.handlers.clear()
    access_log.propagate = False
    log = logging.getLogger(PACKAGE)
    log.setLevel(logging.INFO)
    log.propagate = False
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(LOG_FORMAT))
        log.addHandler(handler)


def tell_failure(error: BaseException) -> str:
    """Say in a line of which type an error is and where it was raised, and the same of those that led to it.

    Their messages are left out: libraries quote in them what they were given.
    """
    return ", after ".join(
        f"{type(each).__module__}.{type(each).__qualname__} at {_places(each)}" for each in _chain(error)
    )


def _places(error: BaseException) -> str:
    """The places in the code that led to an error, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
