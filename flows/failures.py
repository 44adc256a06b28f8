"""Failures that are not the project's own errors, in one line each: of the machine, of files, of libraries.

What a library says is not repeated but for the names of files: it may quote a row, a text, or an address.
"""

import errno
import traceback
from collections.abc import Iterator
from pathlib import Path

from feature_store.lake.durable_files import NOTHING_LOST

NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
PHRASES = ("database or disk is full", "attempt to write a readonly database", "unable to open database file")
"""What SQLite says, in words that MLflow and Prefect pass on."""


REMEDIES = {
    "mlflow": (
        "MLflow's registry or a registered model cannot be read: see that its server answers; in the "
        "workspace, restore it with `fan restore`, or move the folder `mlflow` aside and run `fan register`"
    ),
    "duckdb": (
        "the lake cannot be read: run `fan doctor`, and if it is damaged restore the workspace from a backup "
        "with `fan restore`"
    ),
    "prefect": (
        "Prefect's server stopped answering. What is done is done, and the same command goes on from there: "
        "see that the server runs, or unset PREFECT_API_URL to do without it"
    ),
    "safetensors": "a model's weights cannot be read: restore its folder, and run `fan register`",
}
"""What is broken and what to do, by the library that noticed."""
REMEDIES |= dict.fromkeys(("sqlalchemy", "alembic", "yaml", "sqlite3"), REMEDIES["mlflow"])
UNFORESEEN = (
    "`fan doctor --deep` names what is damaged; if it finds nothing, this is a fault of the project: report "
    "this line"
)


def explain(error: BaseException) -> str:
    """Say in one line what failed, where, and what to do."""
    failed = what_failed(error)
    if failed:
        return f"{failed}. {NOTHING_LOST}"
    libraries = [_library(each) for each in _chain(error)]
    advice = next((REMEDIES[library] for library in libraries if library in REMEDIES), UNFORESEEN)
    return f"{type(error).__name__} at {_place(error)}: {advice}"


def explain_unread(name: str, error: Exception) -> str:
    """Say that a file, or a source, cannot be read."""
    kind = type(error).__name__
    if reason := getattr(error, "strerror", None):
        return f"{name} cannot be read ({kind}: {reason})"
    return (
        f"{name} cannot be read ({kind} at {_place(error)}): see that the file is whole, and of the format "
        "that its source names; if it is, this is a fault of the project: report this line"
    )


def _library(error: BaseException) -> str:
    """The library whose error it is: Prefect's, where Prefect's client could not reach its server."""
    library = type(error).__module__.split(".")[0]
    frames = traceback.extract_tb(error.__traceback__) if library == "httpx" else []
    asked_by_prefect = any("prefect" in Path(frame.filename).parts for frame in frames)
    return "prefect" if asked_by_prefect else library


def _place(error: BaseException) -> str:
    """The last place in the project's own code that led to an error, as file and line."""
    root = Path(__file__).parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(root)] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "an unknown place"


def what_failed(error: BaseException) -> str | None:
    """Say what the machine refused, if that is what an error, or one that led to it, is about."""
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in NUMBERS:
            return f"{each.strerror}: {each.filename}" if each.filename else each.strerror
        for phrase in PHRASES:
            if phrase in str(each):
                return phrase
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
