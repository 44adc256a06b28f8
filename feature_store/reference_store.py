"""Two vectors per distinct text, in FAISS, keyed by reference id.

`mean_unit_tokens` (normalise each token, then average) gives the relevance of stage one of tailored profiling
as one inner product; `unit_mean_tokens` (average, then normalise) gives the distance of stage two. They are
different vectors, so a store is two indexes with the same ids.

A store on disk is a folder of generations. A generation is written aside, synced and only then named by the
file `CURRENT`, so a reader sees the old one or the new one, whole; an index in use is never changed in place.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from feature_store.durable_files import checksum, write_durably

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

INDEX_NAMES = ("mean_unit_tokens", "unit_mean_tokens")
REBUILD = "run `fan embed --rebuild` to encode every text anew"


class ReferenceStoreError(RuntimeError):
    """The store on disk cannot be used; the message says why and what to run."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a generation of the store holds."""

    encoder_revision: str
    """Text encoder that made the vectors: vectors of two encoders must never be compared."""
    width: int
    """Length of a vector."""
    count: int
    """Number of texts."""
    checksums: dict[str, str]
    """SHA-256 of each index file."""


@dataclass(frozen=True)
class StoredVectors:
    """The two vectors of some texts, in the order they were asked for: `[N, width]` each, float32."""

    mean_unit_tokens: Vectors
    unit_mean_tokens: Vectors


class ReferenceStore:
    """The vectors of one text encoder.

    Args:
        folder: the store's folder; an empty or missing one is an empty store.
        encoder_revision: the encoder that is in use now.
        width: length of its vectors.

    Raises:
        ReferenceStoreError: if the stored vectors are another encoder's, damaged or incomplete.
    """

    def __init__(self, folder: Path, *, encoder_revision: str, width: int) -> None:
        self.folder = folder
        self.encoder_revision = encoder_revision
        self.width = width
        self._indexes = {name: _empty_index(width) for name in INDEX_NAMES}
        self._ids: Ids = np.empty(0, np.int64)
        generation = current_generation(folder)
        if generation is not None:
            self._load(generation)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._ids)

    def _load(self, generation: Path) -> None:
        manifest = read_manifest(generation)
        self._check_encoder(manifest)
        self._indexes = {name: _read_index(generation, name, manifest) for name in INDEX_NAMES}
        self._ids = _ids_of(self._indexes[INDEX_NAMES[0]])
        if not np.array_equal(self._ids, _ids_of(self._indexes[INDEX_NAMES[1]])):
            raise ReferenceStoreError(f"the two indexes in {generation} hold different ids: {REBUILD}")

    def _check_encoder(self, manifest: Manifest) -> None:
        if (manifest.encoder_revision, manifest.width) != (self.encoder_revision, self.width):
            raise ReferenceStoreError(
                f"{self.folder} holds vectors of encoder {manifest.encoder_revision[:12]} (width "
                f"{manifest.width}), but the model in use has encoder {self.encoder_revision[:12]} (width "
                f"{self.width}): {REBUILD}, or go back to the model of before"
            )

    def missing(self, reference_ids: Sequence[int] | Ids) -> Ids:
        """Return those of the ids, sorted and distinct, that have no vectors yet."""
        ids = np.unique(np.asarray(reference_ids, np.int64))
        places = np.searchsorted(self._ids, ids)
        found = self._ids[np.minimum(places, len(self) - 1)] == ids if len(self) else np.zeros(len(ids), bool)
        return ids[~found]

    def add(self, reference_ids: Sequence[int] | Ids, vectors: StoredVectors) -> None:
        """Add texts, or replace those whose ids are known; `save` makes it last.

        Raises:
            ValueError: if ids repeat, or vectors have another shape or are not finite.
        """
        ids = np.asarray(reference_ids, np.int64)
        self._check_vectors(ids, vectors)
        known = np.intersect1d(ids, self._ids)
        for name, index in self._indexes.items():
            if len(known):
                index.remove_ids(known)
            index.add_with_ids(np.ascontiguousarray(getattr(vectors, name), np.float32), ids)
        self._ids = _ids_of(self._indexes[INDEX_NAMES[0]])

    def _check_vectors(self, ids: Ids, vectors: StoredVectors) -> None:
        if len(np.unique(ids)) != len(ids):
            raise ValueError(
                f"{len(ids) - len(np.unique(ids))} reference ids are given twice: give each once"
            )
        for name in INDEX_NAMES:
            array = getattr(vectors, name)
            if array.shape != (len(ids), self.width):
                raise ValueError(f"{name} has shape {array.shape}, expected {(len(ids), self.width)}")
            if not np.isfinite(array).all():
                bad = ids[~np.isfinite(array).all(axis=1)]
                raise ValueError(f"{name} is not finite for {len(bad)} texts, the first with id {bad[0]}")

    def remove(self, reference_ids: Sequence[int] | Ids) -> int:
        """Remove texts; unknown ids are passed over. Return how many were removed; `save` makes it last."""
        known = np.intersect1d(np.asarray(reference_ids, np.int64), self._ids)
        if len(known):
            for index in self._indexes.values():
                index.remove_ids(known)
            self._ids = _ids_of(self._indexes[INDEX_NAMES[0]])
        return len(known)

    def gather(self, reference_ids: Sequence[int] | Ids) -> StoredVectors:
        """Return the vectors of the ids, in their order; an id may repeat.

        Raises:
            KeyError: if an id has no vectors, with the number of such ids.
        """
        ids = np.asarray(reference_ids, np.int64)
        missing = self.missing(ids)
        if len(missing):
            raise KeyError(
                f"{len(missing)} texts have no vectors, the first with id {missing[0]}: run `fan embed`"
            )
        gathered = (self._indexes[name].reconstruct_batch(ids) for name in INDEX_NAMES)
        return StoredVectors(*(vectors.reshape(len(ids), self.width) for vectors in gathered))

    def search(self, queries: Vectors, num_neighbours: int) -> tuple[Vectors, Ids]:
        """Find the stored texts most similar to each query, by mean token cosine.

        Args:
            queries: mean unit tokens, `[Q, width]`.
            num_neighbours: neighbours per query, at most the number of texts.

        Returns:
            Similarities and reference ids, `[Q, num_neighbours]` each, most similar first.
        """
        return self._indexes["mean_unit_tokens"].search(queries, min(num_neighbours, len(self)))

    def save(self) -> Path:
        """Write a new generation, name it as the current one, drop those before the last; return its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        generation = self.folder / f"generation-{_next_number(self.folder):06d}"
        shutil.rmtree(generation, ignore_errors=True)
        generation.mkdir()
        checksums = {name: _write_index(generation, name, index) for name, index in self._indexes.items()}
        manifest = Manifest(
            encoder_revision=self.encoder_revision, width=self.width, count=len(self), checksums=checksums
        )
        write_durably(generation / "manifest.json", json.dumps(asdict(manifest), indent=2).encode())
        write_durably(self.folder / "CURRENT", generation.name.encode())
        _drop_old_generations(self.folder, current=generation)
        return generation


def erase_store(folder: Path) -> None:
    """Delete a store with all its vectors, to encode every text anew."""
    shutil.rmtree(folder, ignore_errors=True)


def current_generation(folder: Path) -> Path | None:
    """Return the folder of the generation in use, or None for an empty store."""
    pointer = folder / "CURRENT"
    return folder / pointer.read_text().strip() if pointer.exists() else None


def read_manifest(generation: Path) -> Manifest:
    """Read what a generation holds.

    Raises:
        ReferenceStoreError: if the manifest is missing or unreadable.
    """
    try:
        return Manifest(**json.loads((generation / "manifest.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ReferenceStoreError(f"the manifest in {generation} cannot be read: {REBUILD}") from error


def _empty_index(width: int) -> faiss.IndexIDMap2:
    return faiss.IndexIDMap2(faiss.IndexFlatIP(width))


def _ids_of(index: faiss.IndexIDMap2) -> Ids:
    return np.sort(faiss.vector_to_array(index.id_map))


def _write_index(generation: Path, name: str, index: faiss.IndexIDMap2) -> str:
    path = generation / f"{name}.faiss"
    faiss.write_index(index, str(path))
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return checksum(path)


def _read_index(generation: Path, name: str, manifest: Manifest) -> faiss.IndexIDMap2:
    path = generation / f"{name}.faiss"
    if not path.exists() or checksum(path) != manifest.checksums.get(name):
        raise ReferenceStoreError(
            f"{path} is missing or damaged (its checksum is not the manifest's): {REBUILD}"
        )
    index = faiss.read_index(str(path))
    if index.ntotal != manifest.count:
        raise ReferenceStoreError(
            f"{path} holds {index.ntotal} vectors, its manifest says {manifest.count}: {REBUILD}"
        )
    return index


def _next_number(folder: Path) -> int:
    current = current_generation(folder)
    return int(current.name.rsplit("-", 1)[1]) + 1 if current else 1


def _drop_old_generations(folder: Path, *, current: Path) -> None:
    """Drop all but the current generation and the one before, which a reader may still be loading."""
    for generation in sorted(folder.glob("generation-*"))[:-2]:
        if generation != current:
            shutil.rmtree(generation)
