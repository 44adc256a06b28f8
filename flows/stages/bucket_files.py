"""What a night hands out by buckets, and what comes back: Parquet files among the workspace's, in `work/RUN`.

The work of a stage is listed once, a file for each bucket, so that who works on a bucket reads that file and
asks the lake nothing. Rows come back as files, too, and one process alone commits them.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.lake.stored_files import StoredFiles
from feature_store.tables.runs import Run

WORK = "work"


@dataclass(frozen=True)
class WorkFolder:
    """The files of one stage of a run."""

    files: StoredFiles
    path: str

    def empty(self) -> None:
        """Delete what a stopped night left: its rows may be of users who were forgotten since."""
        self.files.delete(list(self.files.list(self.path)))

    def write_lists(self, rows: pa.RecordBatchReader) -> list[int]:
        """Write rows that are sorted by `bucket`, a file for each; return the buckets' numbers."""
        numbers = []
        for number, batches in _by_bucket(rows):
            self.write("todo", number, pa.Table.from_batches(batches))
            numbers.append(number)
        return numbers

    def write(self, kind: str, bucket: int, rows: pa.Table) -> None:
        """Write rows of a kind (`todo`, and what a stage makes of it) of one bucket."""
        content = io.BytesIO()
        pq.write_table(rows, content)
        self.files.write(self._name(kind, bucket), content.getvalue())

    def read(self, kind: str, bucket: int) -> pa.Table:
        """Read rows of a kind of one bucket.

        Raises:
            FileNotFoundError: if nobody wrote them.
        """
        content = self.files.read(self._name(kind, bucket))
        if content is None:
            raise FileNotFoundError(f"{self.address(kind, bucket)} is missing: run `fan nightly` again")
        return pq.read_table(io.BytesIO(content))

    def address(self, kind: str, bucket: int) -> str:
        """Write where a file is, as DuckDB reads it."""
        return self.files.address(self._name(kind, bucket))

    def addresses(self, kind: str, buckets: Sequence[int]) -> list[str]:
        """Write where the files of some buckets are."""
        return [self.address(kind, bucket) for bucket in buckets]

    def _name(self, kind: str, bucket: int) -> str:
        return f"{self.path}/{kind}/bucket-{bucket:07}.parquet"


def work_folder(files: StoredFiles, run: Run, stage: str) -> WorkFolder:
    """Name the folder of a stage of a run."""
    return WorkFolder(files, f"{WORK}/{run.run_id}/{stage}")


def delete_work(files: StoredFiles) -> None:
    """Delete the work of all runs: none is at work."""
    files.delete(list(files.list(WORK)))


def _by_bucket(rows: pa.RecordBatchReader) -> Iterator[tuple[int, list[pa.RecordBatch]]]:
    """Cut sorted batches where the bucket changes; one bucket is held at a time."""
    held: list[pa.RecordBatch] = []
    current = -1
    for batch in rows:
        buckets = batch.column("bucket").to_numpy()
        edges = [0, *(np.flatnonzero(np.diff(buckets)) + 1).tolist(), len(buckets)]
        for start, end in pairwise(edges):
            if start == end:
                continue
            if held and buckets[start] != current:
                yield current, held
                held = []
            current = int(buckets[start])
            held.append(batch.slice(start, end - start))
    if held:
        yield current, held
