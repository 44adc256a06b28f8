"""Which adapter reads a file, with which keys."""

import bz2
import gzip
import json
import lzma
import zipfile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.guesses.source_guess import GuessedSource, UnguessedFile, guess_sources
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.file_source import FileSource
from recsys_adapters.testing.line_contract import stage

EVENTS = "user,item,time,event\nann,1,1500000000,view\nbob,2,1500000001,purchase\n"
ITEMS = "sku,name,brand,description\n1,Lamp,Acme,A lamp that lights a room and whoever sits in it\n"


def write(folder, **files):
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_a_log_is_told_by_its_users_and_items(tmp_path):
    (guess,) = guess_sources(write(tmp_path, log__csv=EVENTS) / "log.csv")
    assert guess.adapter == "event_log"
    assert guess.keys == {
        "format": "csv",
        "columns": {"user_id": "user", "item_id": "item", "event_time": "time", "kind": "event"},
        "time_format": "seconds",
        "kinds": {"purchase": 5, "view": 1},
    }


def test_a_catalogue_is_told_by_items_with_titles_and_its_short_fields_are_named(tmp_path):
    (guess,) = guess_sources(write(tmp_path, items__csv=ITEMS) / "items.csv")
    assert guess.adapter == "catalogue"
    assert guess.keys["columns"] == {"item_id": "sku", "title": "name"}
    assert guess.item_fields == ["title", "brand"]


def read_rows(guess):
    """The rows of the first file that a catalogue of a guess reads."""
    keys = {key: value for key, value in guess.keys.items() if key != "format"}
    (file,) = Catalogue(path=guess.path, format=guess.keys["format"], **keys).files()
    return stage(duckdb.connect(config={"threads": 1}), file).rows


def write_row(tmp_path, header):
    """A file of one row in which each column has its name's usual value."""
    values = {"timestamp": "1500000000", "date": "2024-05-01", "event": "click", "type": "click"}
    row = ",".join(values.get(name, "1") for name in header.split(","))
    return write(tmp_path, table__csv=f"{header}\n{row}\n") / "table.csv"


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("Order Completed", 5), ("Order Refunded", -3), ("Order Cancelled", -3), ("purchase_refund", -3),
        ("purchase failed", 0), ("thumbs_down", -2), ("not_interested", -2), ("unfavorite", -2),
        ("favorite", 3), ("Product Removed", -1), ("remove_from_cart", -1), ("add_to_cart", 3),
        ("likeRemoved", -1), ("post_dislike", -2), ("Product Viewed", 1),
    ],
)  # fmt: skip
def test_a_kind_that_takes_another_back_weighs_as_a_dislike(tmp_path, kind, weight):
    text = f"user,item,time,event\nann,1,1500000000,{kind}\n"
    (guess,) = guess_sources(write(tmp_path, log__csv=text) / "log.csv")
    assert guess.keys["kinds"] == {kind: weight}
    assert guess.remarks == ()


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [([f"kind{n}" for n in range(21)], "its 21 kinds of events are too many to list here"),
     ([1, 2], "its kinds of events are no words")],
)  # fmt: skip
def test_kinds_that_are_not_listed_are_told(tmp_path, kinds, reason):
    rows = "".join(f"ann,1,1500000000,{kind}\n" for kind in kinds)
    (guess,) = guess_sources(write(tmp_path, log__csv=f"user,item,time,event\n{rows}") / "log.csv")
    assert "kinds" not in guess.keys
    assert guess.remarks == (
        f"{reason}: each weighs 1, also a dislike, unless kinds = {{...}} weighs them all",
    )


@pytest.mark.parametrize(
    "order", ["rank", "score", "position", "place", "rank,date", "rank,score,date", "position,score,date"]
)
def test_a_recommendation_list_is_told_by_its_order(tmp_path, order):
    (guess,) = guess_sources(write_row(tmp_path, f"user_id,item_id,{order}"))
    assert guess.adapter == "recommendations"


@pytest.mark.parametrize(
    "columns",
    ["position,timestamp,event", "position,timestamp", "place,date", "rank,timestamp,type", "position,event"]
    + ["score,event"],
)
def test_where_on_a_page_something_happened_makes_no_recommendation_list(tmp_path, columns):
    (guess,) = guess_sources(write_row(tmp_path, f"user_id,item_id,{columns}"))
    assert guess.adapter == "event_log"


def test_a_log_without_times_goes_by_its_order(tmp_path):
    (guess,) = guess_sources(write(tmp_path, log__csv="user,item\nann,1\n") / "log.csv")
    assert guess.keys["time_from"] == "order"
    assert "time_format" not in guess.keys


@pytest.mark.parametrize(("delimiter", "keys"), [(";", {"delimiter": ";"}), ("|", {"delimiter": "|"})])
def test_another_delimiter_is_a_key(tmp_path, delimiter, keys):
    text = EVENTS.replace(",", delimiter)
    (guess,) = guess_sources(write(tmp_path, log__csv=text) / "log.csv")
    assert {key: guess.keys[key] for key in keys} == keys


@pytest.mark.parametrize("first", ["", "sep=;\n"])
@pytest.mark.parametrize("title", ["title", "name"])
def test_the_header_of_a_file_with_empty_columns_at_its_end_is_one(tmp_path, first, title):
    text = f"{first}item_id;{title};Farbe;;\na1;Lampe;rot;;\na2;Tisch;blau;;\n"
    (guess,) = guess_sources(write(tmp_path, items__csv=text) / "items.csv")
    assert guess.keys["columns"] == {"item_id": "item_id", "title": title}
    assert guess.item_fields == ["title", "Farbe"]
    assert "header" not in guess.keys
    assert "names" not in guess.keys
    assert [row[0] for row in read_rows(guess)] == ["a1", "a2"]


def test_json_parquet_and_packed_files_are_looked_into(tmp_path):
    lines = [{"user": "ann", "item": place, "time": 1_500_000_000_000 + place} for place in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "b.parquet")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(EVENTS.encode()))
    guesses = guess_sources(tmp_path)
    assert {guess.keys["format"] for guess in guesses} == {"jsonl", "parquet", "csv"}
    assert {guess.keys["time_format"] for guess in guesses} == {"milliseconds", "seconds"}


def test_files_of_one_layout_are_one_source_and_others_are_others(tmp_path):
    folder = write(tmp_path, events_1__csv=EVENTS, events_2__csv=EVENTS, items__csv=ITEMS)
    guesses = {guess.adapter: guess.path for guess in guess_sources(folder)}
    assert guesses == {"event_log": folder / "events_*.csv", "catalogue": folder / "items.csv"}
    (folder / "items.csv").unlink()
    assert [guess.path for guess in guess_sources(folder)] == [folder]


def read_by(guess):
    """The files that the source of a guess reads."""
    source = FileSource(path=guess.path, format=guess.keys["format"])
    return {file.path.relative_to(file.path.parents[1]).as_posix() for file in source.search().files}


@pytest.mark.parametrize("place", ["shop", "shop [2024]"])
@pytest.mark.parametrize(
    ("logs", "catalogue"),
    [
        (["s/a.csv", "s/b.csv"], "s/c.csv"),
        (["s/log-1.csv.gz", "s/log-2.csv.gz"], "s/items.csv.gz"),
        (["one/part-0.csv", "two/part-0.csv"], "s/items.csv"),
        (["k=click/part-0.csv", "k=buy/part-1.csv"], "s/part-0.csv"),
        (["s/log[1].csv", "s/log[2].csv"], "s/logs.csv"),
        (["s/log.dat", "s/log2.dat"], "s/items.csv"),
    ],
)
def test_a_source_reads_the_files_that_it_was_guessed_from_and_no_others(tmp_path, place, logs, catalogue):
    folder = tmp_path / place
    for name, text in [*((log, EVENTS) for log in logs), (catalogue, ITEMS)]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = text.encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    guesses = guess_sources(folder)
    read = {"event_log": set(), "catalogue": set()}
    for guess in guesses:
        read[guess.adapter] |= read_by(guess)
    assert read == {"event_log": set(logs), "catalogue": {catalogue}}


def test_kinds_are_those_of_all_files(tmp_path):
    for kind in ("click", "buy"):
        (tmp_path / f"event={kind}").mkdir()
        table = pa.table({"user": ["ann"], "item": [1], "time": [1500000000]})
        pq.write_table(table, tmp_path / f"event={kind}" / "part-0.snappy.parquet")
    (guess,) = guess_sources(tmp_path)
    assert guess.path == tmp_path
    assert guess.keys["kinds"] == {"buy": 5, "click": 1}


@pytest.mark.parametrize(
    ("name", "write_file"),
    [
        ("log.csv.bz2", lambda path: path.write_bytes(bz2.compress(EVENTS.encode()))),
        ("log.csv.xz", lambda path: path.write_bytes(lzma.compress(EVENTS.encode()))),
        ("LOG.CSV", lambda path: path.write_text(EVENTS)),
        ("log.csv", lambda path: path.write_text(EVENTS, encoding="utf-16")),
        ("log [1].csv", lambda path: path.write_text(EVENTS)),
        (
            "log.inter",
            lambda path: path.write_text("user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3\n"),
        ),
    ],
)
def test_a_log_is_told_whatever_it_is_packed_in(tmp_path, name, write_file):
    write_file(tmp_path / name)
    (guess,) = guess_sources(tmp_path)
    assert (guess.adapter, guess.path.name) in {("event_log", name), ("event_log", tmp_path.name)}
    assert {"user_id", "item_id", "event_time"} <= set(guess.keys["columns"])


def test_each_file_of_an_archive_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("log.csv", EVENTS)
        archive.writestr("items.csv", ITEMS)
    guesses = {guess.adapter: guess.path for guess in guess_sources(tmp_path / "shop.zip")}
    archived = tmp_path / "shop.zip"
    assert guesses == {"event_log": archived / "log.csv", "catalogue": archived / "items.csv"}


def test_an_older_encoding_is_a_key(tmp_path):
    (tmp_path / "items.csv").write_text(ITEMS.replace("Lamp", "Lampe für Zoë"), encoding="latin-1")
    (guess,) = guess_sources(tmp_path / "items.csv")
    assert (guess.adapter, guess.keys["encoding"]) == ("catalogue", "cp1252")


def test_a_text_with_a_nul_character_is_not_taken_for_one_of_two_bytes_a_character(tmp_path):
    (tmp_path / "items.csv.bz2").write_bytes(bz2.compress(ITEMS.encode() + b"a9,Lamp\0,kind\n"))
    (guess,) = guess_sources(tmp_path / "items.csv.bz2")
    assert isinstance(guess, UnguessedFile)
    assert guess.reason == "no columns of users, items or titles among sku,name,brand,description"


MOVIELENS = {
    "movies__csv": "movieId,title,genres\n1,Heat (1995),Crime\n",
    "ratings__csv": "userId,movieId,rating,timestamp\n1,1,5,1500000000\n",
}


@pytest.mark.parametrize(
    "files",
    [
        MOVIELENS,
        {"movies__dat": "1::Heat (1995)::Crime\n", "ratings__dat": "1::1::5::1500000000\n"},
        {"u__item": "1|Heat (1995)|01-Jan-1995||http" + "|0" * 19, "u__data": "1\t1\t5\t881250949\n"},
    ],
)
def test_a_folder_of_movielens_is_read_by_its_own_adapter(tmp_path, files):
    write(tmp_path, **files)
    assert guess_sources(tmp_path) == [GuessedSource(adapter="movielens", path=tmp_path, keys={})]


@pytest.mark.parametrize(
    ("files", "adapters"),
    [
        ({"ratings__csv": MOVIELENS["ratings__csv"]}, {"ratings.csv": "event_log"}),
        ({**MOVIELENS, "movies__csv": ITEMS}, {"ratings.csv": "event_log", "movies.csv": "catalogue"}),
        ({**MOVIELENS, "ratings__csv": EVENTS}, {"ratings.csv": "event_log", "movies.csv": "catalogue"}),
        ({"ratings__dat": EVENTS}, {"ratings.dat": "event_log"}),
        (
            {"ratings__dat": EVENTS, "movies__dat": ITEMS},
            {"ratings.dat": "event_log", "movies.dat": "catalogue"},
        ),
    ],
)
def test_what_is_only_called_as_in_movielens_is_read_by_its_columns(tmp_path, files, adapters):
    guesses = guess_sources(write(tmp_path, **files))
    assert {guess.path.name: guess.adapter for guess in guesses} == adapters


def test_what_else_is_in_a_folder_of_movielens_is_told(tmp_path):
    write(
        tmp_path, **MOVIELENS, orders__csv=EVENTS, prices__csv="a,b\n1,2\n", README__txt="Summary\n=======\n"
    )
    write(tmp_path, tags__csv="userId,movieId,tag,timestamp\n1,1,tense,1500000000\n")
    guesses = guess_sources(tmp_path)
    sources = {guess.path.name: guess.adapter for guess in guesses if isinstance(guess, GuessedSource)}
    assert sources == {tmp_path.name: "movielens", "orders.csv": "event_log"}
    assert {guess.path.name: guess.reason for guess in guesses if isinstance(guess, UnguessedFile)} == {
        "prices.csv": "no columns of users, items or titles among a, b",
        "README.txt": "of MovieLens ratings and films alone are read",
        "tags.csv": "of MovieLens ratings and films alone are read",
    }


def test_a_file_for_no_adapter_is_named_with_its_columns(tmp_path):
    (guess,) = guess_sources(write(tmp_path, prices__csv="day,currency\n2024-05-01,EUR\n") / "prices.csv")
    assert isinstance(guess, UnguessedFile)
    assert guess.reason == "no columns of users, items or titles among day, currency"


@pytest.mark.parametrize(
    ("header", "user"),
    [("id,user_id,status,total,created_at", "user_id"), ("id,username,email,created_at", "username")],
)
def test_orders_and_users_are_no_logs_of_their_own_ids(tmp_path, header, user):
    row = ",".join(["1", "2", "3", "4", "2024-05-01"][: header.count(",")] + ["2024-05-01"])
    (guess,) = guess_sources(write(tmp_path, table__csv=f"{header}\n{row}\n") / "table.csv")
    assert isinstance(guess, UnguessedFile)
    assert guess.reason == (
        f"id beside {user} is the row's own id, and no column of items is among {header.replace(',', ', ')}"
    )


def test_a_file_that_nobody_can_read_is_named_with_what_to_do(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    (guess,) = guess_sources(tmp_path / "broken.parquet")
    assert guess.reason.startswith("cannot tell how broken.parquet is read")


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(SourceFileError, match="has no files"):
        guess_sources(tmp_path)
