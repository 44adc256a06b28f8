"""Two vectors per distinct text, in FAISS, keyed by reference id.

`mean_unit_tokens` (normalise each token, then average) gives the relevance of stage one of tailored profiling
as one inner product; `unit_mean_tokens` (average, then normalise) gives the distance of stage two. They are
different vectors, so each is an index of its own.

A store on disk is a manifest and the segments that it names. Segments are mapped, so that opening a store
costs little memory, and they never change. New ones are written aside and synced; replacing the manifest, in
one step, is what saves. A reader sees the store of before or the new one, whole.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np

from feature_store.lake.durable_files import write_durably
from feature_store.vectors.segment_copies import SegmentCopies
from feature_store.vectors.vector_segments import (
    INDEX_NAMES,
    MARK,
    DamagedSegmentError,
    Ids,
    Precision,
    Segment,
    SegmentEntry,
    Vectors,
    doubt_segments,
    empty_segment,
    open_segment,
    write_segment,
)

T = TypeVar("T")

SEGMENT_TEXTS = 32_768
"""Texts of a full segment: saving writes at most so many beside what is new, and so does removing for each
segment that it touches."""
REBUILD = "run `fan embed --rebuild` to encode every text anew"


class ReferenceStoreError(RuntimeError):
    """The store on disk cannot be used; the message says why and what to run."""


class UnusableVectorsError(ValueError):
    """An encoder gave vectors of another shape, or that are not finite."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a store holds."""

    encoder_fingerprint: str
    """Text encoder that made the vectors: vectors of two encoders must never be compared."""
    width: int
    """Length of a vector."""
    segments: tuple[SegmentEntry, ...] = ()
    """Where they are."""

    @property
    def count(self) -> int:
        """Number of texts."""
        return sum(segment.count for segment in self.segments)


@dataclass(frozen=True)
class StoredVectors:
    """The two vectors of some texts, in the order they were asked for: `[N, width]` each, float32."""

    mean_unit_tokens: Vectors
    unit_mean_tokens: Vectors


class _Places:
    """Where each id is: its segment's number and its row there."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        ids = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in segments)])
        numbers = np.repeat(np.arange(len(segments)), [len(segment) for segment in segments])
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(len(segment)) for segment in segments)])
        order = np.argsort(ids, kind="stable")
        self.ids = ids[order]
        self._places = (numbers.astype(np.int64) << 32 | rows)[order]

    def find(self, ids: Ids) -> Ids:
        """Return the places of ids, -1 for those that are not here."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        nearest = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[nearest] == ids, self._places[nearest], -1)


class ReferenceStore:
    """The vectors of one text encoder.

    Args:
        folder: the store's folder; an empty or missing one is an empty store.
        encoder_fingerprint: the encoder that is in use now.
        width: length of its vectors.
        precision: of the vectors that are added: `float16` halves them, at an error of 3e-5 in a cosine.
        copies: where other machines have the store from, and this one too; None for a store of one machine.

    Raises:
        ReferenceStoreError: if the stored vectors are another encoder's, damaged or incomplete.
    """

    def __init__(
        self,
        folder: Path,
        *,
        encoder_fingerprint: str,
        width: int,
        precision: Precision = "float32",
        copies: SegmentCopies | None = None,
    ) -> None:
        self.folder = folder
        self.encoder_fingerprint = encoder_fingerprint
        self.width = width
        self.precision = precision
        self._copies = copies
        if copies:
            copies.pull(folder)
        self._segments = _read_while_saving(folder, self._open_segments)
        self._begin_tail()

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._saved.ids) + len(self._tail)

    def _open_segments(self) -> list[Segment]:
        manifest = read_manifest(self.folder)
        if manifest is None:
            return []
        self._check_encoder(manifest)
        try:
            return [open_segment(self.folder, entry) for entry in manifest.segments]
        except (DamagedSegmentError, RuntimeError) as error:
            raise ReferenceStoreError(f"{error}: {REBUILD}") from error

    def _check_encoder(self, manifest: Manifest) -> None:
        if (manifest.encoder_fingerprint, manifest.width) != (self.encoder_fingerprint, self.width):
            raise ReferenceStoreError(
                f"{self.folder} holds vectors of encoder {manifest.encoder_fingerprint[:12]} (width "
                f"{manifest.width}), but the model in use has encoder {self.encoder_fingerprint[:12]} (width "
                f"{self.width}): {REBUILD}, or go back to the model of before"
            )

    def _begin_tail(self) -> None:
        """Let what is added from now on go to a new segment in memory."""
        self._tail = empty_segment(self.width, self.precision)
        self._saved, self._unsaved = _Places(self._segments), _Places([])

    def _find(self, ids: Ids) -> Ids:
        saved, unsaved = self._saved.find(ids), self._unsaved.find(ids)
        return np.where(unsaved >= 0, unsaved + (len(self._segments) << 32), saved)

    def missing(self, reference_ids: Sequence[int] | Ids) -> Ids:
        """Return those of the ids, sorted and distinct, that have no vectors yet."""
        ids = np.unique(np.asarray(reference_ids, np.int64))
        return ids[self._find(ids) < 0]

    def ids(self) -> Ids:
        """Return the ids of all texts, sorted."""
        return np.union1d(self._saved.ids, self._tail.ids)

    def add(self, reference_ids: Sequence[int] | Ids, vectors: StoredVectors) -> None:
        """Add texts, or replace those whose ids are known; `save` makes it last.

        Raises:
            ValueError: if ids repeat.
            UnusableVectorsError: if vectors have another shape or are not finite.
        """
        ids = np.asarray(reference_ids, np.int64)
        self._check_vectors(ids, vectors)
        self.remove(ids)
        start = 0
        while start < len(ids):
            end = start + SEGMENT_TEXTS - len(self._tail)
            self._tail.append(
                ids[start:end], {name: getattr(vectors, name)[start:end] for name in INDEX_NAMES}
            )
            self._unsaved = _Places([self._tail])
            if len(self._tail) >= SEGMENT_TEXTS:
                self._write_tail()
            start = end

    def _check_vectors(self, ids: Ids, vectors: StoredVectors) -> None:
        if len(np.unique(ids)) != len(ids):
            raise ValueError(
                f"{len(ids) - len(np.unique(ids))} reference ids are given twice: give each once"
            )
        for name in INDEX_NAMES:
            array = getattr(vectors, name)
            if array.shape != (len(ids), self.width):
                raise UnusableVectorsError(
                    f"{name} has shape {array.shape}, expected {(len(ids), self.width)}"
                )
            if not np.isfinite(array).all():
                bad = ids[~np.isfinite(array).all(axis=1)]
                raise UnusableVectorsError(
                    f"{name} is not finite for {len(bad)} texts, the first with id {bad[0]}: the text "
                    "encoder is damaged, or overflows; register a sound model with `fan register`"
                )

    def _write_tail(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._segments.append(write_segment(self.folder, self._tail))
        self._begin_tail()

    def remove(self, reference_ids: Sequence[int] | Ids) -> int:
        """Remove texts; unknown ids are passed over. Return how many were removed; `save` makes it last."""
        places = self._find(np.unique(np.asarray(reference_ids, np.int64)))
        places = places[places >= 0]
        for number in np.unique(places >> 32):
            self._remove_rows(int(number), places[places >> 32 == number] & 0xFFFFFFFF)
        if len(places):
            self._segments = [segment for segment in self._segments if len(segment)]
            self._saved, self._unsaved = _Places(self._segments), _Places([self._tail])
        return len(places)

    def _remove_rows(self, number: int, rows: Ids) -> None:
        if number == len(self._segments):
            self._tail = self._tail.without(rows)
        else:
            rest = self._segments[number].without(rows)
            self._segments[number] = write_segment(self.folder, rest) if len(rest) else rest

    def gather(self, reference_ids: Sequence[int] | Ids) -> StoredVectors:
        """Return the vectors of the ids, in their order; an id may repeat.

        Raises:
            KeyError: if an id has no vectors, with the number of such ids.
        """
        ids = np.asarray(reference_ids, np.int64)
        places = self._find(ids)
        if (places < 0).any():
            missing = np.unique(ids[places < 0])
            raise KeyError(
                f"{len(missing)} texts have no vectors, the first with id {missing[0]}: run `fan embed`"
            )
        gathered = {name: np.empty((len(ids), self.width), np.float32) for name in INDEX_NAMES}
        segments = [*self._segments, self._tail]
        for number in np.unique(places >> 32):
            here = places >> 32 == number
            for name, vectors in gathered.items():
                vectors[here] = segments[number].vectors(name, places[here] & 0xFFFFFFFF)
        return StoredVectors(**gathered)

    def search(
        self, queries: Vectors, num_neighbours: int, *, among: Ids | None = None
    ) -> tuple[Vectors, Ids]:
        """Find the stored texts most similar to each query, by mean token cosine.

        Args:
            queries: mean unit tokens, `[Q, width]`.
            num_neighbours: neighbours per query, at most the number of texts.
            among: ids to search among, by default all.

        Returns:
            Similarities and reference ids, `[Q, num_neighbours]` each, most similar first; places that are
            left over have similarity -inf and id -1.
        """
        wanted = min(num_neighbours, len(self))
        chosen = (
            faiss.SearchParameters(sel=faiss.IDSelectorBatch(among))  # type: ignore[call-arg]
            if among is not None
            else None
        )
        found = [
            segment.indexes["mean_unit_tokens"].search(queries, min(wanted, len(segment)), params=chosen)
            for segment in [*self._segments, self._tail]
            if len(segment)
        ]
        similarities = np.concatenate(
            [np.empty((len(queries), 0), np.float32), *(s for s, _ in found)], axis=1
        )
        ids = np.concatenate([np.empty((len(queries), 0), np.int64), *(i for _, i in found)], axis=1)
        similarities[ids < 0] = -np.inf
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :wanted]
        return np.take_along_axis(similarities, best, axis=1), np.take_along_axis(ids, best, axis=1)

    def save(self) -> None:
        """Make what was added and removed last, all of it or nothing; a small last segment is filled up."""
        if len(self._tail):
            self._fill_up_last_segment()
            self._write_tail()
        entries = tuple(segment.entry for segment in self._segments if segment.entry)
        manifest = Manifest(encoder_fingerprint=self.encoder_fingerprint, width=self.width, segments=entries)
        content = json.dumps(asdict(manifest), indent=2).encode()
        if self._copies:
            self._copies.push(self.folder, content)
        write_durably(_manifest_path(self.folder), content)
        drop_unnamed_segments(self.folder)

    def _fill_up_last_segment(self) -> None:
        if self._segments and len(self._segments[-1]) + len(self._tail) <= SEGMENT_TEXTS:
            last = self._segments.pop()
            rows = np.arange(len(last))
            self._tail.append(last.ids, {name: last.vectors(name, rows) for name in INDEX_NAMES})


def open_as_it_is(
    folder: Path, copies: SegmentCopies | None = None, *, afresh: bool = False
) -> ReferenceStore | None:
    """Open a store with the encoder that its manifest names; None for an empty store.

    Args:
        folder: the store's folder.
        copies: as `ReferenceStore` takes it.
        afresh: compare every checksum, whether that was done on this machine before or not.
    """
    if copies:
        copies.pull(folder)
    if afresh:
        doubt_segments(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    encoder, width = manifest.encoder_fingerprint, manifest.width
    return ReferenceStore(folder, encoder_fingerprint=encoder, width=width, copies=copies)


def erase_store(folder: Path, copies: SegmentCopies | None = None) -> None:
    """Delete a store with all its vectors, to encode every text anew."""
    if copies:
        copies.erase()
    shutil.rmtree(folder, ignore_errors=True)


def store_version(folder: Path) -> str | None:
    """Return what tells a saved store from the one before and the one after it; None for an empty store."""
    path = _manifest_path(folder)
    return path.read_text() if path.exists() else None


def read_manifest(folder: Path) -> Manifest | None:
    """Read what a store holds; None for an empty store.

    Raises:
        ReferenceStoreError: if the manifest is unreadable or not a store's.
    """
    try:
        content = json.loads(_manifest_path(folder).read_text())
        entries = tuple(SegmentEntry(**entry) for entry in content.pop("segments"))
        return Manifest(segments=entries, **content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReferenceStoreError(f"the manifest in {folder} cannot be read: {REBUILD}") from error


def drop_unnamed_segments(folder: Path) -> int:
    """Delete what the manifest does not name, left by a save or a crash; return the number of files."""
    manifest = read_manifest(folder)
    named = (
        {entry.path(folder, name) for entry in manifest.segments for name in INDEX_NAMES} if manifest else {}
    )
    unnamed = [path for path in folder.glob("segment-*.faiss") if path not in named]
    for path in unnamed:
        path.unlink(missing_ok=True)
        path.with_suffix(MARK).unlink(missing_ok=True)
    return len(unnamed)


def _manifest_path(folder: Path) -> Path:
    return folder / "manifest.json"


def _read_while_saving(folder: Path, read: Callable[[], T]) -> T:
    """Read a store; read it once more if it was saved, and old segments deleted, in the meantime."""
    version = store_version(folder)
    try:
        return read()
    except ReferenceStoreError:
        if store_version(folder) == version:
            raise
        return read()
