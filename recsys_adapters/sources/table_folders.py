"""Folders that are tables with a log of their own: which of their files count is what the log says.

A Delta table keeps the files of rows that were deleted or rewritten; whoever reads all files reads them, too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_adapters.errors import SourceFileError

LOG_FOLDER = "_delta_log"


def live_files(folder: Path) -> set[Path] | None:
    """Files of the Delta table in a folder that hold its rows now; None if it is none, or has no log.

    Raises:
        SourceFileError: if rows were deleted in a way that only an engine of Delta can tell, the log is
            damaged, or a file that it names is missing.
    """
    log = folder / LOG_FOLDER
    if not log.is_dir():
        return None
    live: dict[str, dict[str, Any]] = {}
    is_told = False
    for action in _actions(log):
        added, removed = action.get("add"), action.get("remove")
        if isinstance(added, dict):
            live[added["path"]] = added
        elif isinstance(removed, dict):
            live.pop(removed["path"], None)
        is_told = is_told or isinstance(added or removed, dict)
    if any(added.get("deletionVector") for added in live.values()):
        raise SourceFileError(
            f"{folder.name} is a Delta table with deleted rows inside its files: purge them (REORG TABLE ... "
            "APPLY (PURGE)), or export the table."
        )
    if not is_told:
        return None
    files = {folder / unquote(path) for path in live}
    if missing := sum(not file.is_file() for file in files):
        raise SourceFileError(
            f"{folder.name} is a Delta table of {len(files):,} files, of which {missing:,} are not there. "
            "Fetch the table anew."
        )
    return files


def note_on_log(folder: Path) -> str | None:
    """What there is to know of a folder that is a table whose log is not read here; None of others."""
    if (folder / ".hoodie").is_dir():
        kind = "a Hudi"
    elif any((folder / "metadata").glob("*.metadata.json")):
        kind = "an Iceberg"
    else:
        return None
    return (
        f"{folder.name} is {kind} table: all its files are read, also those whose rows were deleted or "
        "rewritten since. If there are any, export the table"
    )


def _actions(log: Path) -> Iterator[dict[str, Any]]:
    """What the last checkpoint and the commits after it say, in their order."""
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))
    start = checkpoints[-1].name.split(".")[0] if checkpoints else ""
    for file in checkpoints:
        if file.name.startswith(start):
            yield from _checkpoint(file)
    for file in sorted(log.glob("*.json")):
        if file.stem > start:
            yield from _commit(file)


def _commit(file: Path) -> list[dict[str, Any]]:
    try:
        actions = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise SourceFileError(
            f"{file.name} in the log of the Delta table {file.parents[1].name} is damaged or was not written "
            "to its end. Fetch the table anew."
        ) from error
    return [action for action in actions if isinstance(action, dict)]


def _checkpoint(file: Path) -> Iterator[dict[str, Any]]:
    try:
        names = [name for name in pq.read_schema(file).names if name in ("add", "remove")]
        rows = pq.read_table(file, columns=names).to_pylist() if names else []
    except pa.ArrowException:
        return
    yield from rows
