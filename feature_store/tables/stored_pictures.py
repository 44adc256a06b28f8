"""The picture that nights have drawn for a user and an item, for a service that only has to hand it out."""

from pathlib import Path

from feature_store.lake.lazy_lake import LazyLake
from feature_store.lake.reader_views import WILLING
from feature_store.lake.stored_files import open_files

STORED = f"""
    SELECT image_path, artwork_digest
    FROM artworks
    WHERE user_id = $user_id AND item_id = $item_id AND image_path IS NOT NULL
        AND {WILLING}
"""


class StoredPictures:
    """The published pictures of a workspace, looked up anew for each question; may be shared between threads.

    Args:
        folder: The lake's folder; it is opened with the first question.
        files: The folder that paths of pictures are relative to, where they are in no object store.
        catalog: The lake's catalogue, as `Lake` takes it.
        storage: The object store that the lake's files and the pictures are in; None if they are in folders.
    """

    def __init__(
        self, folder: str, files: str, catalog: str | None = None, storage: str | None = None
    ) -> None:
        self._lake = LazyLake(folder, catalog, storage)
        self._root, self._storage = Path(files), storage

    def __call__(self, user_id: str, item_id: str) -> tuple[str, bytes] | None:
        """Return digest and file of a picture, None where there is none: not drawn, refused, or opted out.

        A file that is lost counts as not drawn: the next night draws it again.

        Raises:
            LakeError: There is no lake.
        """
        rows = self._lake.query(STORED, {"user_id": user_id, "item_id": item_id}).to_pylist()
        files = open_files(self._root, self._storage)
        for row in rows:
            if (file := files.read(row["image_path"])) is not None:
                return row["artwork_digest"], file
        return None
