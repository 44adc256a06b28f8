"""A lake that is opened with the first question: a server without one serves what needs none."""

import threading
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from feature_store.lake.lake import Lake


class LazyLake:
    """What readers see of a lake, for services; may be shared between threads.

    Args:
        folder: The lake's folder.
        catalog: The lake's catalogue, as `Lake` takes it.
        storage: The object store that its files are in, as `Lake` takes it.
    """

    def __init__(self, folder: str, catalog: str | None = None, storage: str | None = None) -> None:
        self._folder, self._catalog, self._storage = Path(folder), catalog, storage
        self._opening = threading.Lock()

    def query(self, sql: str, parameters: dict[str, object]) -> pa.Table:
        """Run a query.

        Raises:
            LakeError: There is no lake.
        """
        with self._opening:
            lake = self._lake
        return lake.query(sql, parameters)

    @cached_property
    def _lake(self) -> Lake:
        return Lake(self._folder, catalog=self._catalog, storage=self._storage, read_only=True)
