"""Which files of a folder are read, and which are named because they are not."""

import gzip
import json
import os
import time
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.file_search import search_files
from recsys_adapters.testing.line_contract import stage

CSV = (".csv", ".tsv")
COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
LOG = b"user,item,at\nu,i,1714550400\n"


def make(folder, *names, content=LOG):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def names(folder, **options):
    return [file.name for file in search_files(folder, CSV, **options).files]


def test_packed_files_other_case_and_parts_are_read(tmp_path):
    make(tmp_path, "A.CSV", "b.csv.gz", "c.csv.ZST", "part-00000", "d=1/000000_0", "e.csv.bz2", "f.csv.xz")
    assert names(tmp_path) == [
        "A.CSV",
        "b.csv.gz",
        "c.csv.ZST",
        "d=1/000000_0",
        "e.csv.bz2",
        "f.csv.xz",
        "part-00000",
    ]
    assert search_files(tmp_path, CSV).notes == ()


def test_markers_hidden_files_and_those_in_the_making_are_left_aside_by_rule(tmp_path):
    make(
        tmp_path,
        "a.csv",
        "_SUCCESS",
        ".a.csv.crc",
        "_temporary/b.csv",
        ".c.csv",
        "d.csv.tmp",
        "_delta_log/x.csv",
    )
    assert names(tmp_path) == ["a.csv"]
    assert search_files(tmp_path, CSV).notes == ()


def test_files_that_are_not_read_are_counted_and_named(tmp_path):
    make(tmp_path, "a.csv", "README.txt", "b.json")
    (note,) = search_files(tmp_path, CSV).notes
    assert note.startswith(f"2 files in {tmp_path.name} are not read: README.txt, b.json.")


def test_a_folder_with_other_files_alone_is_an_error_that_names_them(tmp_path):
    make(tmp_path, "log.dat")
    with pytest.raises(SourceFileError, match=r"no files that end with \.csv, \.tsv, but 1 others: log\.dat"):
        search_files(tmp_path, CSV)


def test_linked_folders_are_searched_and_a_circle_ends(tmp_path):
    make(tmp_path / "real", "a.csv")
    make(tmp_path / "logs", "b.csv")
    (tmp_path / "logs" / "current").symlink_to(tmp_path / "real")
    (tmp_path / "logs" / "again").symlink_to(tmp_path / "logs")
    assert names(tmp_path / "logs") == ["b.csv", "current/a.csv"]


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    make(tmp_path, "a.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nothing")
    assert "gone.csv" in search_files(tmp_path, CSV).notes[0]


def test_a_file_that_exists_by_its_name_is_that_file_whatever_the_name_has(tmp_path):
    make(tmp_path, "events[1].csv", "events1.csv")
    assert names(tmp_path / "events[1].csv") == ["events[1].csv"]
    assert names(tmp_path / "events[1]*") == ["events1.csv"]


def test_a_pattern_may_mean_folders(tmp_path):
    make(tmp_path, "2024/a.csv", "2025/b.csv")
    assert names(tmp_path / "202?") == ["2024/a.csv", "2025/b.csv"]


def test_a_name_that_is_no_text_is_legible(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_bytes(LOG)
    (file,) = EventLog(path=tmp_path, columns=COLUMNS).files()
    assert file.name == r"caf\xe9.csv"


def test_a_name_that_is_no_text_is_read(connection, tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_bytes(LOG)
    (file,) = EventLog(path=tmp_path, columns=COLUMNS).files()
    assert len(stage(connection, file).rows) == 1


def test_each_file_of_an_archive_is_a_file(connection, tmp_path):
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        archive.writestr("a.csv", LOG)
        archive.writestr("b.csv", LOG.replace(b"u,i", b"v,i"))
    files = EventLog(path=tmp_path / "logs.zip", columns=COLUMNS).files()
    assert [file.name for file in files] == ["logs.zip/a.csv", "logs.zip/b.csv"]
    assert [stage(connection, file).rows[0][1] for file in files] == ["u", "v"]


def test_a_folder_without_its_marker_waits(tmp_path):
    make(tmp_path, "day=1/a.csv", "day=1/_SUCCESS", "day=2/b.csv")
    search = search_files(tmp_path, CSV, marker="_SUCCESS")
    assert [file.name for file in search.files] == ["day=1/a.csv"]
    assert search.notes == ("1 files wait, since they may still be written: b.csv",)


def test_a_file_that_was_just_written_waits_if_asked_to(tmp_path):
    make(tmp_path, "old.csv", "new.csv")
    hour_ago = time.time() - 3600
    os.utime(tmp_path / "old.csv", (hour_ago, hour_ago))
    assert names(tmp_path, settle_seconds=60) == ["old.csv"]
    assert names(tmp_path) == ["new.csv", "old.csv"]


def test_keys_of_folders_are_columns_where_the_file_has_none(connection, tmp_path):
    make(tmp_path, "what=click/at=9/a.csv.gz", content=gzip.compress(LOG))
    columns = COLUMNS | {"kind": "what"}
    (file,) = EventLog(path=tmp_path, columns=columns).files()
    ((_, user, _, at, kind, *_),) = stage(connection, file).rows
    assert (user, at.timestamp(), kind) == ("u", 1714550400, "click")


def test_keys_of_folders_are_no_columns_where_they_are_not_wanted(connection, tmp_path):
    make(tmp_path, "what=click/a.csv")
    (file,) = EventLog(path=tmp_path, columns=COLUMNS | {"kind": "what"}, hive=False).files()
    with pytest.raises(SourceFileError, match="has no column 'what'"):
        stage(connection, file)


def test_a_delta_table_is_its_live_files(tmp_path):
    rows = pa.table({"user": ["u"], "item": ["i"], "at": [1714550400]})
    (tmp_path / "_delta_log").mkdir()
    commits = [[("add", "a"), ("add", "b")], [("remove", "a"), ("add", "c")]]
    for name in ("a", "b", "c"):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    for number, actions in enumerate(commits):
        lines = [json.dumps({action: {"path": f"{name}.parquet"}}) for action, name in actions]
        (tmp_path / "_delta_log" / f"{number:020}.json").write_text("\n".join(lines))
    files = EventLog(path=tmp_path, columns=COLUMNS, format="parquet").files()
    assert [file.name for file in files] == ["b.parquet", "c.parquet"]
    assert "1 files" in files[0].left_aside[0]
