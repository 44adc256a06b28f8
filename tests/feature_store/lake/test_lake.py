"""The lake: all or nothing, writers by turns, readers never in the way; and what we stand on in DuckLake."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from feature_store.lake.durable_files import (
    FileAccessError,
    checksum,
    delete_unfinished,
    write_durably,
)
from feature_store.lake.lake import Lake, LakeError
from feature_store.schemas import PUBLISHED_TABLES, TABLES
from tests.feature_store.logs import ask


def insert(lake, user, num_rows=1):
    sql = f"INSERT INTO night.target_states SELECT i, '{user}' || i, 'n' FROM range({num_rows}) AS t(i)"
    lake.write(lambda connection: connection.execute(sql), "states")


def count(lake):
    return ask(lake, "SELECT count(*) FROM night.target_states")[0][0]


def test_a_new_lake_has_every_table_with_its_comments_and_a_view_of_each_published_one(lake):
    names = {table.qualified_name for table in TABLES} | {f"main.{table.name}" for table in PUBLISHED_TABLES}
    assert names <= lake.relations()
    (comment,) = ask(lake, "SELECT comment FROM duckdb_columns() WHERE column_name = 'event_time'")[0]
    assert comment == "when it happened"


def test_a_lake_that_another_version_made_is_read_but_not_written(lake):
    insert(lake, "ann")
    rename = "ALTER TABLE night.target_states RENAME COLUMN recipe_digest TO digest"
    lake.write(lambda connection: connection.execute(rename), "as if by another version")
    with pytest.raises(
        LakeError,
        match=r"another version made the lake in .*: night\.target_states differs in digest, recipe_",
    ):
        Lake(lake.folder)
    assert count(Lake(lake.folder, read_only=True)) == 1


def test_a_lake_of_before_users_were_pseudonyms_is_refused_for_writing(lake):
    lake.write(lambda connection: connection.execute("DROP TABLE keyed.users"), "as it was then")
    lake.close()
    with pytest.raises(LakeError, match=r"another version made the lake in .*: it has no keyed\.users"):
        Lake(lake.folder)


def test_a_transaction_that_fails_leaves_nothing(lake):
    def fail(connection):
        connection.execute("INSERT INTO night.target_states SELECT i, 'u' || i, 'n' FROM range(2000) AS t(i)")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        lake.write(fail, "half")
    assert count(lake) == 0
    assert list(lake.folder.glob("data/night/target_states/*.parquet")) == []


def test_writers_in_several_threads_and_lakes_lose_nothing(lake):
    other = Lake(lake.folder)
    threads = [
        threading.Thread(target=insert, args=(writer, f"w{number}-"))
        for number, writer in enumerate((lake, other) * 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(lake) == count(other) == len(threads)
    other.close()


def test_a_reader_sees_one_state_while_a_writer_is_at_work(lake):
    reader = Lake(lake.folder, read_only=True)

    def write_and_look(connection):
        connection.execute("INSERT INTO night.target_states VALUES (1, 'r', 'n')")
        assert count(reader) == 0

    lake.write(write_and_look, "one")
    assert count(reader) == 1
    reader.close()


def test_a_reader_cannot_write(lake):
    reader = Lake(lake.folder, read_only=True)
    with pytest.raises(duckdb.Error, match="read-only"):
        insert(reader, "u")
    reader.close()


def test_reading_a_lake_that_does_not_exist_says_what_to_run(tmp_path):
    with pytest.raises(LakeError, match=r"no lake in .*: run `fan ingest` or `fan nightly` first"):
        Lake(tmp_path / "nowhere", read_only=True)


def test_a_view_pinned_to_a_snapshot_shows_it_whatever_follows(lake):
    insert(lake, "before")
    snapshot_id = lake.snapshot_id()
    pin = f"CREATE VIEW pinned AS FROM night.target_states AT (VERSION => {snapshot_id})"
    lake.write(lambda connection: connection.execute(pin), "pin")
    insert(lake, "after", 2000)
    lake.write(lambda connection: connection.execute("DELETE FROM night.target_states"), "delete")
    assert ask(lake, "SELECT recipe_digest FROM pinned") == [("before0",)]


FULL_DISK = """
import resource, sys
from pathlib import Path
from feature_store.lake.lake import Lake, LakeError
lake = Lake(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sql = "INSERT INTO night.target_states SELECT i, md5(i::VARCHAR), 'n' FROM range(200000) AS t(i)"
try:
    lake.write(lambda connection: connection.execute(sql), "too much")
except LakeError as error:
    print(error)
"""


def test_a_write_that_finds_no_room_says_so_and_leaves_everything_as_it_was(lake):
    insert(lake, "u")
    command = [sys.executable, "-c", FULL_DISK, str(lake.folder)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    assert f"cannot write to {lake.folder}" in said
    assert "Nothing was lost" in said
    assert count(lake) == 1
    insert(lake, "next")
    assert count(lake) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LakeError, match=r"cannot write to .*/file/lake: Not a directory"):
        Lake(tmp_path / "file" / "lake")
    with pytest.raises(
        FileAccessError, match=r"cannot write .*/file/picture.png: (Not a directory|File exists)"
    ):
        write_durably(tmp_path / "file" / "picture.png", b"x")


def test_a_file_is_written_whole_over_the_one_before_and_known_by_its_checksum(tmp_path):
    file = tmp_path / "folder" / "file"
    write_durably(file, b"before")
    write_durably(file, b"after")
    assert file.read_bytes() == b"after"
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(FileAccessError, match=r"cannot read .*/missing: No such file"):
        checksum(tmp_path / "missing")


def test_a_lake_of_before_a_table_was_invented_is_given_it(lake):
    insert(lake, "u")
    drop = "DROP TABLE keyed.target_lists"
    lake.write(lambda connection: connection.execute(drop), "as an earlier version left it")
    lake.close()
    reopened = Lake(lake.folder)
    assert ask(reopened, "SELECT count(*) FROM target_lists") == [(0,)]
    assert count(reopened) == 1
    reopened.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_damaged_or_lost_catalogue_is_refused_and_never_taken_for_a_new_lake(read_only, lake):
    insert(lake, "u", 2000)
    lake.close()
    catalog = lake.folder / "catalog.sqlite"
    for content in (b"no database" * 1000, b""):
        catalog.write_bytes(content)
        with pytest.raises(LakeError, match=r"restore the workspace with `fan restore BACKUP`"):
            Lake(lake.folder, read_only=read_only)
    catalog.unlink()
    with pytest.raises(LakeError, match=r"catalog.sqlite is missing, but not its Parquet files: restore"):
        Lake(lake.folder, read_only=read_only)


def test_what_killed_processes_left_aside_goes_and_what_is_being_written_stays(tmp_path):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE)
    names = [f".picture.png.{int(gone.stdout)}.tmp", f".picture.png.{os.getpid()}.tmp", ".cache.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert delete_unfinished(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_threads_that_ask_for_the_snapshot_at_once_each_get_an_answer(lake):
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: lake.snapshot_id(), range(200)))
    assert set(answers) == {lake.snapshot_id()}
