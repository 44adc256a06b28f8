"""Work lists: a file for each bucket, however the rows arrive."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.lake.stored_files import FolderFiles
from flows.stages.bucket_files import WorkFolder, delete_work


def stream(buckets, size):
    table = pa.table({"bucket": pa.array(buckets, pa.int64()), "row": range(len(buckets))})
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=size))


@given(buckets=st.lists(st.integers(0, 9), max_size=60), size=st.integers(1, 20))
def test_every_row_is_in_the_file_of_its_bucket_whatever_the_batches_are(buckets, size, tmp_path_factory):
    folder = WorkFolder(FolderFiles(tmp_path_factory.mktemp("work")), "work/run/stage")
    numbers = folder.write_lists(stream(sorted(buckets), size))
    assert numbers == sorted(set(buckets))
    rows = [row for number in numbers for row in folder.read("todo", number).to_pylist()]
    assert rows == stream(sorted(buckets), 99).read_all().to_pylist()
    assert len(list(folder.files.list("work"))) == len(numbers)


def test_a_list_that_nobody_wrote_is_named(tmp_path):
    folder = WorkFolder(FolderFiles(tmp_path), "work/run/stage")
    with pytest.raises(FileNotFoundError, match=r"todo/bucket-0000003\.parquet is missing: run"):
        folder.read("todo", 3)


def test_no_work_is_left_of_any_run(tmp_path):
    files = FolderFiles(tmp_path)
    for run in ("one", "two"):
        WorkFolder(files, f"work/{run}/stage").write_lists(stream([0, 1], 9))
    WorkFolder(files, "work/one/stage").empty()
    assert len(list(files.list("work"))) == 2
    delete_work(files)
    assert list(files.list("work")) == []
