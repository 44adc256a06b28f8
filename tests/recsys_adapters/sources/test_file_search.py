"""Which files of a folder are read, and which are named because they are not."""

import gzip
import json
import os
import time
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_adapters.errors import NothingReadyError, SourceFileError
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.file_search import named_days, search_files
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
        "~$a.csv",
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


def test_a_file_in_an_archive_can_be_named_and_so_can_some_by_a_pattern(connection, tmp_path):
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        for name in ("2024/a.csv", "2024/b.csv", "notes.txt"):
            archive.writestr(name, LOG)
    for inside in ("2024/a.csv", "2024/a*", "*/a.csv"):
        (file,) = EventLog(path=tmp_path / "logs.zip" / inside, columns=COLUMNS).files()
        assert file.name == "logs.zip/2024/a.csv"
        assert len(stage(connection, file).rows) == 1
    assert names(tmp_path / "logs.zip" / "2024") == ["logs.zip/2024/a.csv", "logs.zip/2024/b.csv"]


def test_a_file_that_an_archive_does_not_have_is_a_fault_that_names_those_it_has(tmp_path):
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        archive.writestr("a.csv", LOG)
    (file,) = search_files(tmp_path / "logs.zip" / "b.csv", (".csv",)).files
    assert file.fault == "logs.zip has no file b.csv, but a.csv"


def test_what_else_is_in_an_archive_is_counted_and_named_as_in_a_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        archive.writestr("a.csv", LOG)
        archive.writestr("README.txt", "A data set.")
    found = search_files(tmp_path / "logs.zip", (".csv",))
    assert [file.name for file in found.files] == ["logs.zip/a.csv"]
    assert found.notes[0].startswith("1 files in logs.zip are not read: README.txt")


def test_a_folder_that_exists_by_its_name_is_that_folder_also_before_a_pattern(tmp_path):
    make(tmp_path, "logs [old]/a.csv", "logs [old]/b.csv", "logs o/c.csv")
    assert names(tmp_path / "logs [old]" / "*.csv") == ["a.csv", "b.csv"]
    assert names(tmp_path / "logs [o]" / "*.csv") == ["c.csv"]


@pytest.mark.parametrize(
    ("path", "days"),
    [
        ("recs-2024-05-01.csv", ["2024-05-01"]),
        ("2024_05_01/20240502.csv", ["2024-05-01", "2024-05-02"]),
        ("recs-20240501T0300.csv", ["2024-05-01"]),
        ("recs-20240501030000.csv", ["2024-05-01"]),
        ("recs-2024050103.csv", ["2024-05-01"]),
        ("2024/05/01/log.csv", ["2024-05-01"]),
        ("/data/2024/5/1/13/log.csv", ["2024-05-01"]),
        ("year=2024/month=05/day=1/log.csv", ["2024-05-01"]),
        ("2023/12/31/2024-01-01.csv", ["2023-12-31", "2024-01-01"]),
        ("v2024/05/01/log.csv", []),
        ("2024/05/log-1.csv", []),
        ("users_20100000.csv", []),
        ("recs_1714557600.csv", []),
        ("recs-202405019999.csv", []),
    ],
)
def test_a_day_in_a_path_is_one_of_the_calendar(path, days):
    assert [str(day) for day in named_days(path)] == days


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


@pytest.mark.parametrize(
    ("key", "item"), [("7", "7"), ("7.0", "7"), (" z ", "z"), ("a\u00a0", "a"), ("x.y", "x.y")]
)
def test_what_a_folder_tells_is_cleaned_as_what_a_column_holds(connection, tmp_path, key, item):
    make(tmp_path, f"what={key}/a.csv")
    (file,) = EventLog(path=tmp_path, columns=COLUMNS | {"item_id": "what"}).files()
    assert [row[2] for row in stage(connection, file).rows] == [item]


@pytest.mark.parametrize("role", ["item_id", "kind", "user_id"])
def test_a_word_for_nothing_in_a_folder_s_name_is_nothing(connection, tmp_path, role):
    make(tmp_path, "what=NULL/a.csv")
    (file,) = EventLog(path=tmp_path, columns=COLUMNS | {role: "what"}).files()
    staged = stage(connection, file)
    assert (staged.rows, [reason for _, reason, _ in staged.rejects]) == ([], [f"{role} is missing"])


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
    assert files[0].left_aside == (
        f"1 files in {tmp_path.name} hold no rows of their Delta table any more, and are not read: a.parquet",
    )


def test_a_delta_table_all_of_whose_rows_were_deleted_is_told_to_be_empty(tmp_path):
    make(tmp_path, "t/a.parquet")
    (tmp_path / "t" / "_delta_log").mkdir()
    actions = "".join(f'{{"{action}": {{"path": "a.parquet"}}}}\n' for action in ("add", "remove"))
    (tmp_path / "t" / "_delta_log" / "0.json").write_text(actions)
    for path in ("t", "t/*.parquet"):
        with pytest.raises(SourceFileError, match="of their Delta table any more: the table is empty"):
            search_files(tmp_path / path, (".parquet",))


@pytest.mark.parametrize(
    ("log", "kind"),
    [("t/metadata/v1.metadata.json", "an Iceberg"), ("t/.hoodie/hoodie.properties", "a Hudi")],
)
@pytest.mark.parametrize("path", ["t", "t/data", "t/data/*.parquet"])
def test_a_table_whose_log_is_not_read_is_told(tmp_path, log, kind, path):
    make(tmp_path, "t/data/a.parquet", log)
    found = search_files(tmp_path / path, (".parquet",))
    assert [file.path.name for file in found.files] == ["a.parquet"]
    assert found.notes[-1].startswith(f"t is {kind} table: all its files are read, also those whose rows")


def test_a_damaged_log_of_a_delta_table_is_an_error_that_names_it(tmp_path):
    make(tmp_path, "t/a.parquet")
    (tmp_path / "t" / "_delta_log").mkdir()
    (tmp_path / "t" / "_delta_log" / "0.json").write_text('{"add": {"path": "a.par')
    with pytest.raises(SourceFileError, match=r"0\.json in the log of the Delta table t is damaged"):
        search_files(tmp_path / "t", (".parquet",))


def test_a_delta_table_without_one_of_its_files_is_an_error_that_counts_them(tmp_path):
    make(tmp_path, "t/a.parquet")
    (tmp_path / "t" / "_delta_log").mkdir()
    added = "".join(f'{{"add": {{"path": "{name}.parquet"}}}}\n' for name in "ab")
    (tmp_path / "t" / "_delta_log" / "0.json").write_text(added)
    with pytest.raises(SourceFileError, match="t is a Delta table of 2 files, of which 1 are not there"):
        search_files(tmp_path / "t", (".parquet",))


@pytest.mark.parametrize("path", ["lake", "lake/*", "lake/t/*.parquet", "lake/**/*.parquet"])
def test_stale_files_of_a_delta_table_are_left_aside_from_wherever_it_is_named(tmp_path, path):
    make(
        tmp_path, "lake/t/k=1/old.parquet", "lake/t/new.parquet", "lake/t/old.parquet", "lake/other/x.parquet"
    )
    log = tmp_path / "lake" / "t" / "_delta_log"
    log.mkdir()
    (log / "0.json").write_text('{"add": {"path": "old.parquet"}}\n{"add": {"path": "k=1/old.parquet"}}\n')
    (log / "1.json").write_text(
        '{"remove": {"path": "old.parquet"}}\n{"remove": {"path": "k=1/old.parquet"}}\n'
        '{"add": {"path": "new.parquet"}}\n'
    )
    found = search_files(tmp_path / path, (".parquet",))
    read = {file.path.relative_to(tmp_path).as_posix() for file in found.files}
    assert read - {"lake/other/x.parquet"} == {"lake/t/new.parquet"}
    assert "old.parquet" in found.notes[0]


@pytest.mark.parametrize("reason", [{"marker": "_SUCESS"}, {"settle_seconds": 60}])
def test_a_source_all_of_whose_files_wait_says_so(tmp_path, reason):
    make(tmp_path, "a.csv", "b.csv", "_SUCCESS")
    with pytest.raises(NothingReadyError, match=r"2 files wait, since they may still.*: a.csv, b.csv"):
        search_files(tmp_path, CSV, **reason)


def test_a_pipe_is_left_aside_for_to_open_it_would_wait(tmp_path):
    make(tmp_path, "a.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    search = search_files(tmp_path, CSV)
    assert [file.name for file in search.files] == ["a.csv"]
    assert "1 files in" in search.notes[0]
    assert "pipe.csv" in search.notes[0]
