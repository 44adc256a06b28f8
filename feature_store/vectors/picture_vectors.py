"""What an image encoder sees of pictures, in a reference store of its own, by the checksums of their files.

In the place of a text's two vectors a picture has its embedding, as the image model takes it, and the same of
unit length. Both are float32, so that an embedding that was kept is the one that would be made anew.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from feature_store.vectors.reference_store import (
    ReferenceStore,
    ReferenceStoreError,
    StoredVectors,
    erase_store,
)
from feature_store.vectors.segment_copies import MissingSegmentError, SegmentCopies
from feature_store.vectors.vector_segments import Ids, Vectors

ID_BITS = 63
"""Of a checksum, which tell pictures apart."""
LEAST_LENGTH = 1e-12


class PictureStore:
    """The embeddings of one image encoder.

    Args:
        store: of the encoder, with single precision.
    """

    def __init__(self, store: ReferenceStore) -> None:
        self._store = store

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._store)

    @property
    def encoder_fingerprint(self) -> str:
        """The encoder that saw them."""
        return self._store.encoder_fingerprint

    def missing(self, checksums: Sequence[str]) -> list[str]:
        """Return those of the checksums that have no embedding yet, each once, in their order."""
        ids = _ids(checksums)
        unknown = set(self._store.missing(ids).tolist())
        return list(
            dict.fromkeys(one for one, number in zip(checksums, ids, strict=True) if number in unknown)
        )

    def add(self, checksums: Sequence[str], embeddings: Vectors) -> None:
        """Add pictures `[N, width]` under distinct checksums; `save` makes it last.

        Raises:
            UnusableVectorsError: if embeddings are not finite.
        """
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        units = (embeddings / np.maximum(lengths, LEAST_LENGTH)).astype(np.float32)
        self._store.add(_ids(checksums), StoredVectors(embeddings, units))

    def gather(self, checksums: Sequence[str]) -> Vectors:
        """Return the embeddings `[N, width]` of pictures, in their order.

        Raises:
            KeyError: if a picture has none.
        """
        return self._store.gather(_ids(checksums)).mean_unit_tokens

    def keep_only(self, checksums: Sequence[str]) -> int:
        """Remove all other pictures, and save; return how many were removed."""
        num_removed = self._store.remove(np.setdiff1d(self._store.ids(), _ids(checksums)))
        if num_removed:
            self._store.save()
        return num_removed

    def save(self) -> None:
        """Make what was added last."""
        self._store.save()


def open_picture_store(
    folder: Path, *, encoder_fingerprint: str, width: int, copies: SegmentCopies | None = None
) -> PictureStore:
    """Open the store of one encoder to write to it.

    What another encoder saw is of no use, nor is what is damaged: both are erased, for pictures are looked at
    again.

    Args:
        folder: the store's folder; an empty or missing one is an empty store.
        encoder_fingerprint: the encoder that is in use now.
        width: length of its embeddings.
        copies: as `ReferenceStore` takes it.
    """

    def open_store() -> ReferenceStore:
        return ReferenceStore(folder, encoder_fingerprint=encoder_fingerprint, width=width, copies=copies)

    try:
        return PictureStore(open_store())
    except (ReferenceStoreError, MissingSegmentError):
        erase_store(folder, copies)
        return PictureStore(open_store())


def picture_id(checksum: str) -> int:
    """Number a picture by the checksum (hex) of its file: the same in every run and workspace."""
    return int(checksum, 16) & ((1 << ID_BITS) - 1)


def _ids(checksums: Sequence[str]) -> Ids:
    return np.array([picture_id(one) for one in checksums], np.int64)
