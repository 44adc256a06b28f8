"""Addresses, read through fsspec's store in memory and a web server of this machine."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from feature_store.schemas.addresses import address_of, without_secrets
from recsys_adapters.errors import SourceFileError
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.movielens import MovieLens
from recsys_adapters.sources.prompt_histories import PromptHistories

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
LOG = "user,item,at\nu,i,1714550400\n"


@pytest.fixture
def store():
    store = fsspec.filesystem("memory")
    for name in ("/logs/day=1/a.csv", "/logs/day=2/b.csv", "/logs/notes.txt"):
        store.pipe(name, LOG.encode())
    yield store
    store.rm("/logs", recursive=True)


def test_an_address_stays_one_as_a_path():
    assert address_of(Path("s3://bucket/logs/*.csv")) == "s3://bucket/logs/*.csv"
    assert address_of(Path("HTTPS://ann:secret@host/logs")) == "https://ann:secret@host/logs"
    assert address_of(Path("/data/logs")) is None


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("memory://logs", ["day=1/a.csv", "day=2/b.csv"]),
        ("memory://logs/day=*/*.csv", ["day=1/a.csv", "day=2/b.csv"]),
        ("memory://logs/day=1/a.csv", ["a.csv"]),
    ],
)
def test_files_of_a_store_are_read_like_files_of_a_folder(store, place, names):
    files = EventLog(path=Path(place), columns=COLUMNS).files()
    assert [file.name for file in files] == names
    assert files[0].path.read_text() == LOG


def test_a_file_of_a_web_server_is_read(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/log.csv"
        (file,) = EventLog(path=Path(address), columns=COLUMNS).files()
        server.shutdown()
    assert file.path.read_text() == LOG


def test_a_store_without_the_files_is_an_error():
    with pytest.raises(SourceFileError, match=r"memory://nothing/at/all has no files"):
        EventLog(path=Path("memory://nothing/at/all"), columns=COLUMNS).files()


def test_a_store_without_its_package_is_an_error_that_names_it():
    with pytest.raises(SourceFileError, match=r"to read gs:// install the package gcsfs"):
        EventLog(path=Path("gs://bucket/log.csv"), columns=COLUMNS).files()


SECRETIVE = "http://ann:SECRET@127.0.0.1:1/log.csv?token=SECRET"


def test_an_address_that_does_not_answer_is_an_error_without_its_secrets():
    with pytest.raises(SourceFileError, match=r"log\.csv cannot be read \(ClientConnector") as refused:
        EventLog(path=Path(SECRETIVE), columns=COLUMNS).files()
    assert "SECRET" not in str(refused.value)


def test_what_a_client_says_of_an_address_is_not_repeated(monkeypatch):
    def refuse(address):
        raise PermissionError(f"403, url={address}")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(SourceFileError, match=r"log\.csv cannot be read \(PermissionError\)") as refused:
        EventLog(path=Path(SECRETIVE), columns=COLUMNS).files()
    assert "SECRET" not in str(refused.value)


def test_a_path_is_told_without_what_may_be_secret_in_an_address():
    assert without_secrets(str(Path(SECRETIVE))) == "http://127.0.0.1:1/log.csv"
    assert without_secrets("/data/what?/a@b.csv") == "/data/what?/a@b.csv"


@pytest.mark.parametrize(
    "address",
    ["file://{}/a%20log.csv", "file://localhost{}/a%20log.csv", "FILE://{}/*.csv", "file:{}/a log.csv"],
)
def test_an_address_of_this_machine_is_a_path_of_it(tmp_path, address):
    (tmp_path / "a log.csv").write_text(LOG)
    (file,) = EventLog(path=Path(address.format(tmp_path)), columns=COLUMNS).files()
    assert file.path == tmp_path / "a log.csv"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (
            "gs5://bucket/log.csv",
            r"^gs5:// is no scheme of addresses; did you mean gs://\? Write a path of this ",
        ),
        (
            "foo://host/log.csv",
            r"^foo:// is no scheme of addresses\. Write a path .* s3://, gs://, .*https://",
        ),
    ],
)
def test_a_scheme_that_nobody_knows_is_told_with_those_that_work(address, told):
    with pytest.raises(SourceFileError, match=told):
        EventLog(path=Path(address), columns=COLUMNS).files()


def test_sources_that_know_their_data_sets_may_have_addresses_too(store):
    store.pipe("/logs/ml/ratings.csv", b"userId,movieId,rating,timestamp\n1,2,3.5,1500000000\n")
    store.pipe("/logs/ml/movies.csv", b"movieId,title,genres\n2,Heat,Crime\n")
    assert [file.name for file in MovieLens(path=Path("memory://logs/ml")).files()] == [
        "movies.csv",
        "ratings.csv",
    ]
    store.pipe("/logs/pip/ann.jsonl", b'{"prompt": "a", "user_id": "ann", "id": "1"}\n')
    histories = PromptHistories(path=Path("memory://logs/pip"))
    assert [file.table for file in histories.files()] == ["items", "interactions"]
