"""The picture that nights have drawn for a user and an item, for a service that only has to hand it out."""

import threading
from functools import cached_property
from pathlib import Path

from feature_store.lake.lake import Lake

STORED = """
    SELECT image_path, artwork_digest
    FROM artworks
    WHERE user_id = $user_id AND item_id = $item_id AND image_path IS NOT NULL
        AND user_key NOT IN (SELECT user_key FROM keyed.opt_outs)
"""


class StoredPictures:
    """The published pictures of a workspace, looked up anew for each question; may be shared between threads.

    Args:
        folder: The lake's folder; it is opened with the first question.
        files: The folder that paths of pictures are relative to.
        catalog: The lake's catalogue, as `Lake` takes it.
    """

    def __init__(self, folder: str, files: str, catalog: str | None = None) -> None:
        self._folder = Path(folder)
        self._files = Path(files)
        self._catalog = catalog
        self._opening = threading.Lock()

    def __call__(self, user_id: str, item_id: str) -> tuple[str, bytes] | None:
        """Return digest and file of a picture, None where there is none: not drawn, refused, or opted out.

        A file that is lost counts as not drawn: the next night draws it again.

        Raises:
            LakeError: There is no lake.
        """
        rows = self._open().query(STORED, {"user_id": user_id, "item_id": item_id}).to_pylist()
        try:
            return next(((row["artwork_digest"], self._read(row["image_path"])) for row in rows), None)
        except FileNotFoundError:
            return None

    def _read(self, path: str) -> bytes:
        return (self._files / path).read_bytes()

    def _open(self) -> Lake:
        with self._opening:
            return self._lake

    @cached_property
    def _lake(self) -> Lake:
        return Lake(self._folder, catalog=self._catalog, read_only=True)
