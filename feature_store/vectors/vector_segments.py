"""Segments of the reference store: FAISS files of some ten thousand texts each, written once and mapped.

A text has two vectors, so a segment is two indexes with the same ids in the same rows. A segment on disk
never changes: what is added goes to a new one, and removing texts writes the rest anew, under another name.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import faiss
import numpy as np
from numpy.typing import NDArray

from feature_store.lake.durable_files import FileAccessError, checksum, write_durably

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
Precision = Literal["float32", "float16"]

MARK = ".verified"
"""Suffix of a note beside a file that was compared with its checksum."""
INDEX_NAMES = ("mean_unit_tokens", "unit_mean_tokens")


class DamagedSegmentError(ValueError):
    """A segment's file is missing, or is not what its entry says."""


@dataclass(frozen=True, kw_only=True)
class SegmentEntry:
    """What the store's manifest knows of a segment."""

    name: str
    """Its files are `{name}.{index name}.faiss`."""
    count: int
    """Number of texts."""
    checksums: dict[str, str]
    """SHA-256 of each index file."""

    def path(self, folder: Path, index_name: str) -> Path:
        """Name the file of one index."""
        return folder / f"{self.name}.{index_name}.faiss"


@dataclass
class Segment:
    """The two vectors of N texts, by row.

    A mapped index must not be added to or removed from: FAISS ends the process.
    """

    indexes: dict[str, faiss.IndexIDMap]
    """A FAISS `IndexIDMap` over flat or float16 codes, by name of the vectors."""
    entry: SegmentEntry | None = None
    """None while it is in memory only."""
    ids: Ids = field(init=False)
    """`[N]` ids, by row."""

    def __post_init__(self) -> None:
        self.ids = faiss.vector_to_array(self.indexes[INDEX_NAMES[0]].id_map)

    def __len__(self) -> int:
        return len(self.ids)

    def vectors(self, index_name: str, rows: NDArray[np.integer]) -> Vectors:
        """Return the vectors of some rows, `[len(rows), width]`."""
        return np.asarray(_codes(self.indexes[index_name])[rows], np.float32)

    def append(self, ids: Ids, vectors: dict[str, Vectors]) -> None:
        """Add texts to a segment in memory."""
        for name, index in self.indexes.items():
            index.add_with_ids(np.ascontiguousarray(vectors[name], np.float32), ids)
        self.ids = np.concatenate([self.ids, ids])

    def without(self, rows: NDArray[np.integer]) -> "Segment":
        """Return a segment in memory of all other rows."""
        kept = np.setdiff1d(np.arange(len(self)), rows)
        width, precision = self.indexes[INDEX_NAMES[0]].d, _precision(self.indexes[INDEX_NAMES[0]])
        rest = empty_segment(width, precision)
        rest.append(self.ids[kept], {name: self.vectors(name, kept) for name in INDEX_NAMES})
        return rest


def empty_segment(width: int, precision: Precision) -> Segment:
    """Make a segment in memory."""
    return Segment({name: faiss.IndexIDMap(_empty_codes(width, precision)) for name in INDEX_NAMES})


def write_segment(folder: Path, segment: Segment) -> Segment:
    """Write a segment under a name of its own, and return it mapped."""
    name = f"segment-{secrets.token_hex(8)}"
    entry = SegmentEntry(name=name, count=len(segment), checksums={})
    for index_name, index in segment.indexes.items():
        path = entry.path(folder, index_name)
        faiss.write_index(index, str(path))
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        entry.checksums[index_name] = checksum(path)
    return Segment(_map_indexes(folder, entry), entry)


def open_segment(folder: Path, entry: SegmentEntry) -> Segment:
    """Map a segment's files into memory, after comparing their checksums the first time on this machine.

    Raises:
        DamagedSegmentError: if a file is missing or damaged, or the two hold different texts.
    """
    for index_name in INDEX_NAMES:
        path = entry.path(folder, index_name)
        if not path.exists() or not _is_sound(path, entry.checksums.get(index_name)):
            raise DamagedSegmentError(f"{path} is missing or damaged (its checksum is not the manifest's)")
    segment = Segment(_map_indexes(folder, entry), entry)
    others = faiss.vector_to_array(segment.indexes[INDEX_NAMES[1]].id_map)
    if len(segment) != entry.count or not np.array_equal(segment.ids, others):
        raise DamagedSegmentError(f"{folder / entry.name} holds other texts than its manifest says")
    return segment


def doubt_segments(folder: Path) -> None:
    """Let checksums be compared anew, whether they were before or not."""
    for mark in folder.glob(f"*{MARK}"):
        mark.unlink(missing_ok=True)


def _is_sound(path: Path, sha256: str | None) -> bool:
    """Compare a file with its checksum, unless that was done since it was written."""
    mark, stat = path.with_suffix(MARK), path.stat()
    state = f"{sha256} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}".encode()
    if mark.exists() and mark.read_bytes() == state:
        return True
    if checksum(path) != sha256:
        return False
    with suppress(FileAccessError):
        write_durably(mark, state)
    return True


def _map_indexes(folder: Path, entry: SegmentEntry) -> dict[str, faiss.IndexIDMap]:
    return {
        name: cast(faiss.IndexIDMap, faiss.read_index(str(entry.path(folder, name)), faiss.IO_FLAG_MMAP_IFC))
        for name in INDEX_NAMES
    }


def _empty_codes(width: int, precision: Precision) -> faiss.Index:
    if precision == "float32":
        return faiss.IndexFlatIP(width)
    return faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _precision(index: faiss.IndexIDMap) -> Precision:
    flat = cast(faiss.IndexFlatCodes, faiss.downcast_index(index.index))
    return "float32" if flat.code_size == 4 * index.d else "float16"


def _codes(index: faiss.IndexIDMap) -> NDArray[np.floating]:
    """View an index's vectors `[N, width]` where they lie, without copying them."""
    flat = cast(faiss.IndexFlatCodes, faiss.downcast_index(index.index))
    if not index.ntotal:
        return np.empty((0, index.d), np.float32)
    raw = faiss.rev_swig_ptr(flat.codes.data(), flat.codes.size())
    return raw.view(_precision(index)).reshape(index.ntotal, index.d)
