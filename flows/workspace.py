"""Where everything that the system makes lies, and how its parts are opened."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from feature_store.lake.durable_files import NOTHING_LOST
from feature_store.lake.lake import Lake
from feature_store.lake.stored_files import StoredFiles, open_files
from feature_store.vectors.picture_vectors import PictureStore, open_picture_store
from feature_store.vectors.reference_store import (
    ReferenceStore,
    ReferenceStoreError,
    erase_store,
    open_as_it_is,
    store_version,
)
from feature_store.vectors.segment_copies import MissingSegmentError, SegmentCopies
from flows.settings import Settings

IMAGES, GALLERY = "images", "gallery"
"""Folders of the pictures, named by the digest of what they are made of, and of the pages that show them."""
REFERENCE_PICTURES = "reference_pictures"
EVALUATION_PICTURES = "evaluation/pictures"
EVALUATION_EXPERIMENT = "evaluation"
"""MLflow's name for evaluations; their reports lie in a folder of that name among the artifacts."""


class WorkspaceError(RuntimeError):
    """The workspace's folder cannot be written."""


@dataclass(frozen=True)
class Workspace:
    """The folders of one workspace."""

    root: Path
    storage: str | None = None
    """`s3://bucket/prefix` of the object store that pictures and pages are in, if they are in one."""

    @property
    def files(self) -> StoredFiles:
        """Pictures and pages."""
        return open_files(self.root, self.storage)

    @property
    def lake(self) -> Path:
        """Tables: Parquet files, catalogue, writers' lock."""
        return self.root / "lake"

    @property
    def references(self) -> Path:
        """Vectors of texts, in FAISS."""
        return self.root / "references"

    @property
    def reference_copies(self) -> SegmentCopies | None:
        """Where machines that share an object store have the vectors from."""
        return SegmentCopies(self.files) if self.storage else None

    @property
    def reference_pictures(self) -> Path:
        """What an image encoder saw of items' pictures, in FAISS."""
        return self.root / REFERENCE_PICTURES

    @property
    def picture_copies(self) -> SegmentCopies | None:
        """Where machines that share an object store have that from."""
        return SegmentCopies(self.files, REFERENCE_PICTURES) if self.storage else None

    @property
    def features(self) -> Path:
        """Features of items for retrieval, in FAISS."""
        return self.root / "features"

    @property
    def backfills(self) -> Path:
        """Lakes of past nights that were run over again."""
        return self.root / "backfills"

    @property
    def evaluation(self) -> Path:
        """Evaluations: a report per run, and what is made anew when it is missing."""
        return self.root / "evaluation"

    @property
    def evaluation_pictures(self) -> Path:
        """Pictures that evaluations drew, apart from the gallery's."""
        return self.root / EVALUATION_PICTURES

    @property
    def rewritten_prompts(self) -> Path:
        """A language model's answers, beside the pictures that were drawn of them."""
        return self.evaluation_pictures / "answers"

    @property
    def adapters(self) -> Path:
        """Weights that other methods were trained with here, by the text encoders that they are for."""
        return self.evaluation / "adapters"

    @property
    def data_sets(self) -> Path:
        """A lake for each data set that is evaluated on and is not the workspace's own."""
        return self.evaluation / "data"

    @property
    def gallery(self) -> str:
        """Where the first page is, as a browser reads it."""
        return self.files.link(f"{GALLERY}/index.html")

    @property
    def mlflow(self) -> Path:
        """Model registry, experiment runs and their artifacts."""
        return self.root / "mlflow"

    @property
    def compiled(self) -> Path:
        """Compiled kernels of the image model, so that the next start need not compile."""
        return self.root / "compiled"

    @property
    def batch_sizes(self) -> Path:
        """How many pictures of which model fit into which device: found out, and lost without harm."""
        return self.root / "batch_sizes.json"

    @property
    def prefect(self) -> Path:
        """What Prefect remembers of the flows, when no server is configured."""
        return self.root / "prefect"

    @property
    def tracking_uri(self) -> str:
        """MLflow's address of the registry and the runs."""
        return f"sqlite:///{self.mlflow / 'mlflow.db'}"


def open_workspace(settings: Settings) -> Workspace:
    """Return the workspace of the settings, with its root folder made."""
    settings.workspace.mkdir(parents=True, exist_ok=True)
    return Workspace(settings.workspace, settings.storage)


def check_writable(settings: Settings) -> None:
    """Look before there is work to lose.

    Raises:
        WorkspaceError: if the workspace cannot be written.
    """
    root = open_workspace(settings).root
    if not os.access(root, os.W_OK):
        raise WorkspaceError(f"cannot write to the workspace {root}. {NOTHING_LOST}")


def open_lake(settings: Settings, *, read_only: bool = False) -> Lake:
    """Open the lake of the settings."""
    folder = Workspace(settings.workspace).lake
    return Lake(folder, catalog=settings.catalog, storage=settings.storage, read_only=read_only)


def share_lake(settings: Settings) -> Lake:
    """Open the lake of the settings for a night's tasks, once per process: opening takes a second."""
    folder = Workspace(settings.workspace).lake
    return _load_lake(folder, settings.catalog, settings.storage, _file_number(folder / "catalog.sqlite"))


@lru_cache(maxsize=1)
def _load_lake(folder: Path, catalog: str | None, storage: str | None, _catalog_file: int | None) -> Lake:
    return Lake(folder, catalog=catalog, storage=storage)


def _file_number(file: Path) -> int | None:
    """What tells a file from another that was put in its place; None if there is none."""
    return file.stat().st_ino if file.exists() else None


def open_references(settings: Settings, *, encoder_fingerprint: str, width: int) -> ReferenceStore:
    """Open the reference store for one text encoder, to write to it."""
    workspace = open_workspace(settings)
    return ReferenceStore(
        workspace.references,
        encoder_fingerprint=encoder_fingerprint,
        width=width,
        precision=settings.vector_precision,
        copies=workspace.reference_copies,
    )


def share_references(settings: Settings, *, encoder_fingerprint: str, width: int) -> ReferenceStore:
    """Open the reference store for reading, once per process and save."""
    workspace = open_workspace(settings)
    folder = workspace.references
    if workspace.reference_copies:
        workspace.reference_copies.pull(folder)
    return _load_references(folder, store_version(folder), encoder_fingerprint, width)


@lru_cache(maxsize=1)
def _load_references(
    folder: Path, version: str | None, encoder_fingerprint: str, width: int
) -> ReferenceStore:
    return ReferenceStore(folder, encoder_fingerprint=encoder_fingerprint, width=width)


def open_pictures(settings: Settings, *, encoder_fingerprint: str, width: int | None) -> PictureStore | None:
    """Open the store of what an image encoder saw of pictures, to write to it.

    Without a width, of a model that takes no embedding of a picture, there is none. What another encoder saw
    is erased.
    """
    workspace = open_workspace(settings)
    folder, copies = workspace.reference_pictures, workspace.picture_copies
    if width is None:
        erase_store(folder, copies)
        return None
    return open_picture_store(folder, encoder_fingerprint=encoder_fingerprint, width=width, copies=copies)


def share_pictures(settings: Settings, *, encoder_fingerprint: str, width: int | None) -> PictureStore | None:
    """Open the same for reading, once per process and save.

    Raises:
        ReferenceStoreError: if another encoder saw the pictures, or the store is damaged.
    """
    workspace = open_workspace(settings)
    folder = workspace.reference_pictures
    if width is None:
        return None
    if workspace.picture_copies:
        workspace.picture_copies.pull(folder)
    return PictureStore(_load_pictures(folder, store_version(folder), encoder_fingerprint, width))


def open_kept_pictures(workspace: Workspace) -> PictureStore | None:
    """Open what whichever image encoder saw of pictures; None for nothing. What is damaged is erased."""
    folder, copies = workspace.reference_pictures, workspace.picture_copies
    try:
        store = open_as_it_is(folder, copies)
    except (ReferenceStoreError, MissingSegmentError):
        erase_store(folder, copies)
        return None
    return None if store is None else PictureStore(store)


@lru_cache(maxsize=1)
def _load_pictures(folder: Path, version: str | None, encoder_fingerprint: str, width: int) -> ReferenceStore:
    return ReferenceStore(folder, encoder_fingerprint=encoder_fingerprint, width=width)
