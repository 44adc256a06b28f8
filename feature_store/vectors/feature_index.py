"""Features of items in FAISS, for retrieval: one unit vector per item text, under the text's id."""

import json
from hashlib import sha256
from pathlib import Path
from typing import cast

import faiss
import numpy as np
from numpy.typing import NDArray

from feature_store.lake.durable_files import write_durably

Features = NDArray[np.float32]
Ids = NDArray[np.int64]


class FeatureIndex:
    """The features of one encoder; a file that is another's, or damaged, counts as none.

    Features are quickly made anew.

    Args:
        folder: where the index lies; a missing one is an empty index.
        encoder_fingerprint: the encoder that is in use now.
        width: length of its features.
    """

    def __init__(self, folder: Path, *, encoder_fingerprint: str, width: int) -> None:
        self.folder = folder
        self._manifest = {"encoder_fingerprint": encoder_fingerprint, "width": width}
        self._index = self._read() or faiss.IndexIDMap2(faiss.IndexFlatIP(width))

    def __len__(self) -> int:
        """Return the number of items."""
        return int(self._index.ntotal)

    def missing(self, ids: Ids) -> Ids:
        """Return those of the ids, sorted and distinct, that have no feature yet."""
        return np.setdiff1d(ids, faiss.vector_to_array(self._index.id_map))

    def add(self, ids: Ids, features: Features) -> None:
        """Add new items: unit vectors `[N, width]` under distinct ids that are `missing`."""
        self._index.add_with_ids(np.ascontiguousarray(features, np.float32), ids)

    def search(self, features: Features, num_neighbours: int) -> tuple[Features, Ids]:
        """Find the items most like each of `[Q, width]`: cosines and ids, `[Q, num_neighbours]` each."""
        return self._index.search(np.ascontiguousarray(features, np.float32), min(num_neighbours, len(self)))

    def save(self) -> None:
        """Write the index so that a reader finds it whole; the manifest, written last, makes it valid."""
        content = faiss.serialize_index(self._index).tobytes()
        manifest = self._manifest | {"sha256": sha256(content).hexdigest()}
        write_durably(self.folder / "features.faiss", content)
        write_durably(self.folder / "manifest.json", json.dumps(manifest).encode())

    def _read(self) -> faiss.IndexIDMap2 | None:
        try:
            manifest = json.loads((self.folder / "manifest.json").read_text())
            content = (self.folder / "features.faiss").read_bytes()
        except (OSError, ValueError):
            return None
        if manifest != self._manifest | {"sha256": sha256(content).hexdigest()}:
            return None
        return cast(faiss.IndexIDMap2, faiss.deserialize_index(np.frombuffer(content, np.uint8)))
