"""A reference store that several machines share: its segments in an object store, and on each machine's disk.

Segments never change, so a machine fetches each once. They are put before the manifest that names them, so
that who reads a manifest finds all of them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from feature_store.lake.durable_files import write_durably
from feature_store.lake.stored_files import StoredFiles
from feature_store.vectors.vector_segments import INDEX_NAMES, SegmentEntry

MANIFEST = "manifest.json"
FETCHING_SECONDS = 3600.0
ATTEMPTS = 3
"""A save in the meantime deletes segments that the manifest of before named."""


class MissingSegmentError(FileNotFoundError):
    """The object store lacks a segment that its manifest names."""


@dataclass(frozen=True)
class SegmentCopies:
    """The segments of one store among the files of an object store."""

    files: StoredFiles
    folder: str = "references"

    def pull(self, folder: Path) -> None:
        """Bring a machine's folder up to date; what it has already is not fetched again.

        Raises:
            MissingSegmentError: if a segment is not there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "pull.lock", timeout=FETCHING_SECONDS):
            for _ in range(ATTEMPTS):
                manifest = self.files.read(self._path(MANIFEST))
                if manifest is None:
                    (folder / MANIFEST).unlink(missing_ok=True)
                    return
                missing = [name for name in _named(manifest) if not self._fetch(name, folder)]
                if not missing:
                    _keep(folder / MANIFEST, manifest)
                    return
            address = self.files.address(self._path(missing[0]))
            raise MissingSegmentError(f"{address} is missing: run `fan embed --rebuild`")

    def push(self, folder: Path, manifest: bytes) -> None:
        """Put the segments that a manifest names, then the manifest; then delete what it does not name."""
        named = _named(manifest)
        there = {path.rpartition("/")[2] for path in self.files.list(self.folder)}
        for name in named:
            if name not in there:
                self.files.write(self._path(name), (folder / name).read_bytes())
        self.files.write(self._path(MANIFEST), manifest)
        self.files.delete(self._path(name) for name in there - {MANIFEST, *named})

    def erase(self) -> None:
        """Delete everything, the manifest first."""
        self.files.delete([self._path(MANIFEST)])
        self.files.delete(list(self.files.list(self.folder)))

    def _fetch(self, name: str, folder: Path) -> bool:
        """Fetch a file unless it is here; tell whether it is here then."""
        if (folder / name).exists():
            return True
        content = self.files.read(self._path(name))
        if content is not None:
            write_durably(folder / name, content)
        return content is not None

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}"


def _named(manifest: bytes) -> list[str]:
    """The names of the files that a manifest names."""
    entries = [SegmentEntry(**entry) for entry in json.loads(manifest)["segments"]]
    return [entry.path(Path(), index_name).name for entry in entries for index_name in INDEX_NAMES]


def _keep(file: Path, content: bytes) -> None:
    """Write a file, unless it is so already."""
    if not file.exists() or file.read_bytes() != content:
        write_durably(file, content)
