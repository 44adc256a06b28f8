"""Which files of a workspace are kept, of which kind each is, and what heals it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feature_store.upkeep.checks import LOOK_AGAIN
from feature_store.upkeep.inventory import (
    NAME,
    Inventory,
    version_of_catalogue,
    version_of_database,
    version_of_page,
)

RESTORE = "restore the workspace from a backup with `fan restore BACKUP`"
SEEN = "what the image encoder saw of pictures"
CATALOGUE = "catalog.sqlite"


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """Files of one folder."""

    folder: str
    """Begins their paths in the workspace."""
    what: str
    remedy: str
    changes: bool = False
    """Whether they are written anew under the same name."""
    deletable: bool = False
    """Whether `fan maintain` deletes a damaged one: it is made anew, or was a report."""


KINDS = (
    FileKind(folder="lake/", what="tables", remedy=RESTORE),
    FileKind(
        folder="images/",
        what="pictures",
        remedy="run `fan maintain`, then `fan nightly`: they are drawn again",
        deletable=True,
    ),
    FileKind(folder="references/manifest", what="vectors", remedy="run `fan embed --rebuild`", changes=True),
    FileKind(folder="references/", what="vectors", remedy="run `fan embed --rebuild`"),
    FileKind(
        folder="reference_pictures/manifest", what=SEEN, remedy=LOOK_AGAIN, changes=True, deletable=True
    ),
    FileKind(folder="reference_pictures/", what=SEEN, remedy=LOOK_AGAIN, deletable=True),
    FileKind(
        folder="mlflow/artifacts/fan-artwork/",
        what="registered models",
        remedy="run `fan register`, then `fan maintain`, which deletes the damaged version",
    ),
    FileKind(folder="mlflow/mlflow.db", what="MLflow's record", remedy=RESTORE),
    FileKind(
        folder="mlflow/",
        what="reports in MLflow",
        remedy="run `fan maintain`, which deletes damaged reports",
        deletable=True,
    ),
    FileKind(
        folder="gallery/", what="pages", remedy="run `fan nightly`, which writes them anew", changes=True
    ),
    FileKind(
        folder="features/",
        what="features of items",
        remedy="run `fan maintain`: they are made anew when asked for",
        changes=True,
        deletable=True,
    ),
    FileKind(
        folder="backfills/",
        what="past nights",
        remedy="run `fan maintain`, which deletes the damaged ones, then `fan backfill` if you need them",
        deletable=True,
    ),
    FileKind(
        folder="evaluation/",
        what="evaluations",
        remedy="run `fan maintain`, which deletes what is damaged, then `fan evaluate` if you need it",
        deletable=True,
    ),
)
"""In the order that they are looked for."""
TOP_FOLDERS = tuple(dict.fromkeys(f"{kind.folder.partition('/')[0]}/" for kind in KINDS))
"""All folders of a workspace whose files are kept."""
NOT_KEPT = (".lock", ".tmp", ".verified", "-wal", "-shm", "-journal")
NOT_LOOKED_AT = "Prefect's record, and what is elsewhere: logs, a PostgreSQL catalogue, another MLflow"


def kind_of(name: str) -> FileKind:
    """Return the kind of a kept file, by its path in the workspace."""
    return next(kind for kind in KINDS if name.startswith(kind.folder))


def kept_files(root: Path, *folders: str) -> Iterator[Path]:
    """List the files that are kept in some folders of a workspace (`lake/`), by default in all."""
    for folder in folders or TOP_FOLDERS:
        yield from (path for path in (root / folder).rglob("*") if path.is_file() and is_kept(path))


def is_kept(path: Path) -> bool:
    """Whether a file is more than a lock, a log of a database, or what a query spilled."""
    if path.name == NAME:
        return False
    return not path.name.endswith(NOT_KEPT) and ".tmp" not in path.name and path.parent.name != "spill"


def open_inventory(root: Path) -> Inventory:
    """Open the inventory of a workspace."""

    def version(path: Path) -> str:
        if path.name == CATALOGUE:
            return version_of_catalogue(path)
        if path.name == "mlflow.db":
            return version_of_database(path)
        return version_of_page(path) if kind_of(str(path.relative_to(root))).changes else ""

    return Inventory(root, version)
