"""Catalogues are taken in together; if one of them is read otherwise, all are, once."""

from dataclasses import replace

import pytest

from feature_store.intake import file_batches, source_files, staged_batches
from feature_store.intake.file_batches import FileIntake
from feature_store.intake.known_files import Known, find_known
from feature_store.intake.ledger import FileCounts
from feature_store.tables.runs import open_run
from feature_store.upkeep.checks import check_tables
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog
from tests.feature_store.logs import ask, offer, write_csv

COLUMNS = {"item_id": "item", "title": "title"}
EVENTS = {"user_id": "user", "item_id": "item", "event_time": "at"}


@pytest.fixture(autouse=True)
def batches(monkeypatch):
    """At most two files are one batch; which files were read together, each time."""
    read = []

    def append_and_note(lake, offers, files, run):
        read.append([one.file.name for one in offers])
        return source_files.append_together(lake, offers, files, run)

    monkeypatch.setattr(file_batches, "MOST_FILES", 2)
    monkeypatch.setattr(file_batches, "append_together", append_and_note)
    return read


def write(folder, **files):
    """A catalogue of one item for each name: its number, title and tag."""
    for name, row in files.items():
        write_csv(folder / f"{name}.csv", ("item", "title", "tag"), [row])


def take_in(lake, *catalogues):
    """What became of each file of the catalogues, by its name."""
    offers = [offer(file) for catalogue in catalogues for file in catalogue.files()]
    intake = FileIntake(lake=lake, run=open_run(lake))
    told = intake.append_catalogues(offers, offering={one.offering for one in offers})
    return {one.file.name: type(outcome) for one, outcome in told}


def films(folder, **options):
    return Catalogue(path=folder / "f*.csv", columns=COLUMNS | options, source="films")


def books(folder, **options):
    return Catalogue(path=folder / "b*.csv", columns=COLUMNS | options, source="books")


@pytest.fixture
def filled(lake, tmp_path):
    """A lake with five catalogues of two sources."""
    write(tmp_path, **{f"f{n}": (f"i{n}", f"Film {n}", f"{n}.png") for n in (1, 2, 3)})
    write(tmp_path, **{f"b{n}": (f"j{n}", f"Book {n}", f"{n}.jpg") for n in (1, 2)})
    made = take_in(lake, films(tmp_path), books(tmp_path))
    assert made == dict.fromkeys(["f1.csv", "f2.csv", "f3.csv", "b1.csv", "b2.csv"], FileCounts)
    return lake


def test_catalogues_are_read_some_at_a_time_and_known_from_then_on(filled, tmp_path, batches):
    assert batches == [["f1.csv", "f2.csv"], ["f3.csv"], ["b1.csv"], ["b2.csv"]]
    assert set(take_in(filled, films(tmp_path), books(tmp_path)).values()) == {Known}
    write(tmp_path, f4=("i4", "Film 4", "4.png"))
    made = take_in(filled, films(tmp_path), books(tmp_path))
    assert [name for name, outcome in made.items() if outcome is FileCounts] == ["f4.csv"]
    assert len(batches) == 5
    assert ask(filled, "SELECT count(*) FROM items") == [(6,)]


@pytest.mark.parametrize("changed", ["films", "books"])
def test_where_one_is_read_otherwise_all_are_read_anew_and_nothing_is_there_twice(
    filled, tmp_path, batches, changed
):
    batches.clear()
    otherwise = {"stock_image_uri": "tag"}
    catalogues = [
        films(tmp_path, **(otherwise if changed == "films" else {})),
        books(tmp_path, **(otherwise if changed == "books" else {})),
    ]
    assert set(take_in(filled, *catalogues).values()) == {FileCounts}
    assert [len(batch) for batch in batches] == [2, 1, 2]
    pictured = "SELECT count(stock_image_uri), count(*) FROM items WHERE starts_with(item_id, '{}')"
    assert ask(filled, pictured.format("i")) == [(3 if changed == "films" else 0, 3)]
    assert ask(filled, pictured.format("j")) == [(2 if changed == "books" else 0, 2)]
    assert set(take_in(filled, *catalogues).values()) == {Known}


def test_only_the_last_of_many_files_may_be_read_otherwise(filled, tmp_path):
    other = Catalogue(path=tmp_path / "b2.csv", columns=COLUMNS | {"stock_image_uri": "tag"}, source="books")
    same = Catalogue(path=tmp_path / "b1.csv", columns=COLUMNS, source="books")
    made = take_in(filled, films(tmp_path), same, other)
    assert set(made.values()) == {FileCounts}
    assert ask(filled, "SELECT item_id FROM items WHERE stock_image_uri IS NOT NULL") == [("j2",)]


def test_of_two_catalogues_with_one_content_both_are_deliveries(lake, tmp_path, batches):
    write(tmp_path, f1=("i1", "Film", ""), f2=("i1", "Film", ""))
    assert take_in(lake, films(tmp_path)) == {"f1.csv": FileCounts, "f2.csv": FileCounts}


def prices(folder, name="p*.csv", **options):
    return Catalogue(path=folder / name, columns={"item_id": "item"} | options, source="prices")


def write_prices(folder, name, **amounts):
    write_csv(folder / f"{name}.csv", ("item", "price"), list(amounts.items()))


def outcomes(lake, *catalogues):
    """What became of each file, by its name: its counts, or whether all of it is known and was refused."""
    offers = [offer(file) for catalogue in catalogues for file in catalogue.files()]
    told = FileIntake(lake=lake, run=open_run(lake)).append_catalogues(offers)
    return {
        one.file.name: made.is_all_refused
        if isinstance(made, Known)
        else (made.rows_read, made.accepted, made.duplicate, made.rejected)
        for one, made in told
    }


def broken_promises(lake):
    return [finding.promise for finding in check_tables(lake) if finding.num_offenders]


PRICES = "SELECT item_id, fields::JSON->>'price' FROM items ORDER BY 1"
WAITING = "SELECT line, reason FROM rejected_rows ORDER BY ALL"


def test_records_that_wait_for_an_item_are_taken_in_the_night_that_it_comes_and_counted_once(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    write_prices(tmp_path, "p", i1=10, i2=20, i3=30)
    assert outcomes(lake, films(tmp_path), prices(tmp_path))["p.csv"] == (3, 1, 0, 2)
    assert outcomes(lake, films(tmp_path), prices(tmp_path)) == {"f1.csv": False, "p.csv": False}
    write(tmp_path, f2=("i2", "Film 2", "2.png"))
    made = outcomes(lake, films(tmp_path), prices(tmp_path))
    assert made == {"f1.csv": False, "f2.csv": (1, 1, 0, 0), "p.csv": (1, 1, 0, 0)}
    assert ask(lake, PRICES) == [("i1", "10"), ("i2", "20")]
    assert ask(lake, WAITING) == [(4, "no catalogue has the item")]
    counted = (
        "SELECT sum(rows_read), sum(accepted), sum(rejected) FROM ingested_files WHERE source = 'prices'"
    )
    assert ask(lake, counted) == [(3, 2, 1)]
    assert outcomes(lake, films(tmp_path), prices(tmp_path))["p.csv"] is False
    write(tmp_path, f3=("i3", "Film 3", "3.png"))
    assert outcomes(lake, films(tmp_path), prices(tmp_path))["p.csv"] == (1, 1, 0, 0)
    assert ask(lake, WAITING) == []
    assert ask(lake, counted) == [(3, 3, 0)]
    assert broken_promises(lake) == []


def test_what_waited_changes_nothing_that_another_feed_has_said_since(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    write_prices(tmp_path, "p1", i1=10, i2=20)
    write_prices(tmp_path, "p2", i1=99)
    outcomes(lake, films(tmp_path), prices(tmp_path))
    write(tmp_path, f2=("i2", "Film 2", "2.png"))
    made = outcomes(lake, films(tmp_path), prices(tmp_path))
    assert (made["p1.csv"], made["p2.csv"]) == ((1, 1, 0, 0), False)
    assert ask(lake, PRICES) == [("i1", "99"), ("i2", "20")]


def test_a_whole_catalogue_and_a_feed_each_day_change_only_what_they_say_otherwise(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    write_prices(tmp_path, "p", i1=10)
    outcomes(lake, films(tmp_path), prices(tmp_path))
    write_csv(
        tmp_path / "f1.csv", ("item", "title", "tag"), [("i1", "Film 1", "1.png"), ("i2", "Film 2", "2.png")]
    )
    write_prices(tmp_path, "p", i1=10, i2=20)
    made = outcomes(lake, films(tmp_path), prices(tmp_path))
    assert made == {"f1.csv": (2, 1, 1, 0), "p.csv": (2, 1, 1, 0)}
    write_prices(tmp_path, "p", i1=11, i2=20)
    assert outcomes(lake, films(tmp_path), prices(tmp_path)) == {"f1.csv": False, "p.csv": (2, 1, 1, 0)}
    assert ask(lake, PRICES) == [("i1", "11"), ("i2", "20")]


def test_a_feed_none_of_whose_items_come_stays_refused_whatever_else_comes(lake, tmp_path):
    write_prices(tmp_path, "p", x=1, y=2)
    assert outcomes(lake, prices(tmp_path)) == {"p.csv": (2, 0, 0, 2)}
    for name in ("f1", "f2"):
        write(tmp_path, **{name: (name, "A film", "1.png")})
        assert outcomes(lake, films(tmp_path), prices(tmp_path))["p.csv"] is True
    assert ask(lake, "SELECT count(*) FROM rejected_rows") == [(2,)]


def test_what_waited_is_read_anew_with_all_else_where_a_catalogue_is_read_otherwise(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    write_prices(tmp_path, "p", i1=10, i2=20, i3=30)
    outcomes(lake, films(tmp_path), prices(tmp_path))
    write(tmp_path, f2=("i2", "Film 2", "2.png"))
    outcomes(lake, films(tmp_path), prices(tmp_path))
    made = outcomes(lake, films(tmp_path, stock_image_uri="tag"), prices(tmp_path))
    assert made["p.csv"] == (3, 2, 0, 1)
    assert ask(lake, WAITING) == [(4, "no catalogue has the item")]
    assert ask(lake, PRICES) == [("i1", "10"), ("i2", "20")]
    assert broken_promises(lake) == []


def test_of_a_line_with_several_items_those_still_without_a_catalogue_wait_on(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    (tmp_path / "p.jsonl").write_text('{"item": ["i1", "i2", "i3"], "price": 5}\n{"item": [], "price": 6}\n')
    feed = prices(tmp_path, "p.jsonl")
    feed = replace(feed, format="jsonl", unnest="item")
    assert outcomes(lake, films(tmp_path), feed)["p.jsonl"] == (4, 1, 0, 3)
    write(tmp_path, f2=("i2", "Film 2", "2.png"))
    assert outcomes(lake, films(tmp_path), feed)["p.jsonl"] == (3, 1, 1, 1)
    assert ask(lake, WAITING) == [(1, "no catalogue has the item"), (2, "item is an empty list")]


def test_a_line_all_of_whose_items_come_is_counted_as_often_as_it_waited(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    (tmp_path / "p.jsonl").write_text('{"item": ["i2", "i3"], "price": 5}\n{"item": ["i4"], "price": 6}\n')
    feed = replace(prices(tmp_path, "p.jsonl"), format="jsonl", unnest="item")
    assert outcomes(lake, films(tmp_path), feed)["p.jsonl"] == (3, 0, 0, 3)
    write(tmp_path, f2=("i2", "Film 2", "2.png"), f3=("i3", "Film 3", "3.png"))
    assert outcomes(lake, films(tmp_path), feed)["p.jsonl"] == (2, 2, 0, 0)
    counted = "SELECT rows_read, accepted, rejected FROM ingested_files WHERE source = 'prices' ORDER BY ALL"
    assert ask(lake, counted) == [(1, 0, 1), (2, 2, 0)]
    assert broken_promises(lake) == []


def test_of_lines_that_were_refused_those_alone_are_read_again_whose_items_have_come(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"))
    (tmp_path / "p.jsonl").write_text('{"item": ["i1", ""], "price": 5}\n{"item": ["i2"], "price": 6}\n')
    feed = replace(prices(tmp_path, "p.jsonl"), format="jsonl", unnest="item")
    assert outcomes(lake, films(tmp_path), feed)["p.jsonl"] == (3, 1, 0, 2)
    write(tmp_path, f2=("i2", "Film 2", "2.png"))
    assert outcomes(lake, films(tmp_path), feed)["p.jsonl"] == (1, 1, 0, 0)
    assert ask(lake, PRICES) == [("i1", "5"), ("i2", "6")]
    assert ask(lake, WAITING) == [(1, "item_id is missing")]
    assert broken_promises(lake) == []


def log_outcomes(lake, folder, **options):
    log = EventLog(path=folder / "*.csv", columns=EVENTS)
    intake = FileIntake(lake=lake, run=open_run(lake), **options)
    return {one.file.name: type(made) for one, made in intake.append_logs(map(offer, log.files()))}


def write_logs(folder, **users):
    for name, user in users.items():
        write_csv(folder / f"{name}.csv", ("user", "item", "at"), [(user, "i1", 1_500_000_000)])


def test_two_catalogues_of_one_content_are_known_from_then_on(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film", "1.png"), f2=("i1", "Film", "1.png"))
    assert take_in(lake, films(tmp_path)) == {"f1.csv": FileCounts, "f2.csv": FileCounts}
    assert take_in(lake, films(tmp_path)) == {"f1.csv": Known, "f2.csv": Known}


def test_titles_that_clash_are_told_together_whatever_the_file_before_said_of_one_item(lake, tmp_path):
    write_csv(tmp_path / "b.csv", ("item", "title"), [("i1", "Alpha"), ("i2", "Beta")])
    take_in(lake, books(tmp_path))
    write_csv(tmp_path / "f1.csv", ("item", "title"), [("i1", "Alpha")])
    write_csv(tmp_path / "f2.csv", ("item", "title"), [("i1", "Gamma"), ("i2", "Delta")])
    offers = [offer(file) for file in films(tmp_path).files()]
    intake = FileIntake(lake=lake, run=open_run(lake))
    first, second = (counts.warnings for _, counts in intake.append_catalogues(offers))
    assert first == ()
    (warning,) = second
    assert warning.startswith("2 items of films have another title in books")
    assert "item i1 and item i2" in warning


def test_logs_with_one_content_are_looked_up_together(lake, tmp_path, monkeypatch):
    looked_up = []

    def find_and_note(lake, offers):
        looked_up.append(len(offers))
        return find_known(lake, offers)

    monkeypatch.setattr(file_batches, "MOST_FILES", 9)
    monkeypatch.setattr(file_batches, "find_known", find_and_note)
    write_logs(tmp_path, **dict.fromkeys("abc", "ann"))
    assert list(log_outcomes(lake, tmp_path).values()) == [FileCounts, Known, Known]
    assert looked_up == [3]


def test_of_logs_with_one_content_the_first_counts_whether_it_is_of_the_batch_or_done(
    lake, tmp_path, batches
):
    write_logs(tmp_path, a="ann", b="ann", c="bob", d="cid", e="ann")
    assert log_outcomes(lake, tmp_path) == {
        "a.csv": FileCounts, "b.csv": Known, "c.csv": FileCounts, "d.csv": FileCounts, "e.csv": Known
    }  # fmt: skip
    assert ask(lake, "SELECT count(*) FROM interactions") == [(3,)]


@pytest.mark.parametrize(
    ("options", "read"), [({}, [["a.csv", "c.csv"]]), ({"is_strict": True}, [["a.csv"], ["c.csv"]])]
)
def test_strictly_a_file_after_a_bad_one_waits_for_who_sees_it(
    lake, tmp_path, batches, monkeypatch, options, read
):
    monkeypatch.setattr(file_batches, "MOST_FILES", 9)
    write_logs(tmp_path, a="ann", c="bob")
    write_csv(tmp_path / "b.csv", ("who", "what"), [("ann", "i1")])
    made = log_outcomes(lake, tmp_path, **options)
    assert [name for name, outcome in made.items() if outcome is not FileCounts] == ["b.csv"]
    assert batches == read


@pytest.mark.parametrize("large", ["a", "b"])
def test_a_large_log_is_read_alone(lake, tmp_path, batches, monkeypatch, large):
    monkeypatch.setattr(staged_batches, "LARGE_FILE", 200)
    write_logs(tmp_path, a="ann", b="bob")
    write_csv(
        tmp_path / f"{large}.csv",
        ("user", "item", "at"),
        [("cid", f"i{n}", 1_500_000_000) for n in range(20)],
    )
    assert set(log_outcomes(lake, tmp_path).values()) == {FileCounts}
    assert batches == [["a.csv"], ["b.csv"]]


def test_as_many_bytes_as_are_allowed_are_read_together(lake, tmp_path, batches, monkeypatch):
    write_logs(tmp_path, a="ann", b="bob", c="cid", d="dan")
    monkeypatch.setattr(file_batches, "MOST_FILES", 9)
    monkeypatch.setattr(file_batches, "MOST_BYTES", 2 * (tmp_path / "a.csv").stat().st_size)
    log_outcomes(lake, tmp_path)
    assert batches == [["a.csv", "b.csv"], ["c.csv", "d.csv"]]


def test_titles_that_go_as_a_catalogue_is_read_as_a_feed_are_nobodys_any_more(lake, tmp_path):
    write(tmp_path, f1=("i1", "Film 1", "1.png"), f2=("i2", "Film 2", "2.png"))
    outcomes(lake, films(tmp_path))
    made = outcomes(lake, prices(tmp_path, "f*.csv", stock_image_uri="tag"))
    assert made == {"f1.csv": (1, 0, 0, 1), "f2.csv": (1, 0, 0, 1)}
    assert ask(lake, "SELECT count(*) FROM items") == [(0,)]
    assert ask(lake, "SELECT file, reason FROM rejected_rows ORDER BY 1") == [
        ("f1.csv", "no catalogue has the item"), ("f2.csv", "no catalogue has the item")
    ]  # fmt: skip


def test_titles_of_other_catalogues_stay_as_one_is_read_as_a_feed(lake, tmp_path):
    rows = [("i1", "Book 1", "1.png"), ("i2", "Film 2", "2.png")]
    write_csv(tmp_path / "f1.csv", ("item", "title", "tag"), rows)
    write(tmp_path, b1=("i1", "Book 1", "b.png"))
    outcomes(lake, films(tmp_path), books(tmp_path, stock_image_uri="tag"))
    made = outcomes(lake, replace(prices(tmp_path, "f*.csv"), source="films"))
    assert made == {"f1.csv": (2, 0, 1, 1)}
    assert ask(lake, "SELECT item_id, title FROM items") == [("i1", "Book 1")]
