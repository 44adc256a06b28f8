"""What the machine refused is told in one line, whichever library ran into it."""

import errno
import sqlite3
import sys
from contextlib import closing

import httpx
import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import cli
from flows.cli import program
from flows.failures import explain, what_failed


def fill(database):
    """Run a SQLite file into its limit, as a full disk does; return the error."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    return caught.value


def write_read_only(database):
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        connection.execute("INSERT INTO t VALUES (1)")
    return caught.value


def wrapped(cause):
    try:
        raise RuntimeError("a library gives up") from cause
    except RuntimeError as error:
        return error


def test_full_disks_and_read_only_files_are_found_behind_what_libraries_say_of_them(tmp_path):
    database = tmp_path / "a.db"
    assert what_failed(wrapped(fill(database))) == "database or disk is full"
    assert what_failed(write_read_only(database)) == "attempt to write a readonly database"
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "no folder" / "a.db")
    assert what_failed(wrapped(caught.value)) == "unable to open database file"
    full = OSError(errno.ENOSPC, "No space left on device", "/some/file")
    assert what_failed(wrapped(full)) == "No space left on device: /some/file"


def test_other_errors_are_not_taken_for_the_machines():
    assert what_failed(wrapped(ValueError("a bug"))) is None
    assert what_failed(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None


def test_the_command_line_says_it_in_one_line_with_what_to_do(monkeypatch, capsys):
    def fail():
        raise OSError(errno.EROFS, "Read-only file system", "/w/night.lock")

    monkeypatch.setattr(program, "app", fail)
    monkeypatch.setattr(sys, "argv", ["fan"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    said = capsys.readouterr().err
    assert said.startswith("fan: Read-only file system: /w/night.lock. Nothing was lost")
    assert said.count("\n") == 1


def test_a_prefect_server_that_stopped_answering_is_no_fault_of_the_project():
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        get_client(sync_client=True) as client,
        pytest.raises(httpx.ConnectError, match="refused") as lost,
    ):
        client.read_flows()
    said = explain(lost.value)
    assert "Prefect's server stopped answering" in said
    assert "report" not in said


def test_an_address_of_another_library_that_does_not_answer_is_not_said_to_be_prefects():
    with pytest.raises(httpx.ConnectError, match="refused") as lost:
        httpx.get("http://127.0.0.1:9")
    assert "Prefect" not in explain(lost.value)
