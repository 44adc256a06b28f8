"""The first records of a file, looked at before a night is spent on it."""

import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.records.preview import preview
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog

EVENTS = {"user_id": "user", "item_id": "item", "event_time": "time"}


def first_file(source):
    return next(iter(source.files()))


def log_of(folder, lines, **options):
    file = folder / "log.csv"
    file.write_text("\n".join(["user,item,time", *lines]) + "\n")
    return first_file(EventLog(path=file, columns=EVENTS, **options))


def test_records_are_refused_for_the_reasons_of_a_night(tmp_path):
    lines = ["ann,1,1500000000", ",2,1500000000", "bob,3,1500000000", ",4,1500000000", "cid,5,never"]
    seen = preview(log_of(tmp_path, lines), num_records=100)
    assert (seen.num_records, seen.num_accepted) == (5, 2)
    assert list(seen.refused.values()) == [2, 1]
    assert next(iter(seen.refused)) == "user_id is missing"


def test_only_the_first_records_are_looked_at(tmp_path):
    lines = [f"ann,{number},1500000000" for number in range(50)] + ["bob,1,never"]
    seen = preview(log_of(tmp_path, lines), num_records=20)
    assert (seen.num_records, seen.refused) == (20, {})


def test_the_fields_of_items_are_told(tmp_path):
    file = tmp_path / "items.csv"
    file.write_text("sku,name,brand\n1,Lamp,Acme\n")
    catalogue = Catalogue(path=file, columns={"item_id": "sku", "title": "name"})
    assert preview(first_file(catalogue), num_records=9).item_fields == {"title", "brand"}


def test_a_supplement_has_the_titles_of_others_and_is_not_refused_for_it(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("sku,price\n1,10\n,20\n")
    seen = preview(first_file(Catalogue(path=file, columns={"item_id": "sku"})), num_records=9)
    assert (seen.num_accepted, seen.refused, seen.item_fields) == (1, {"item_id is missing": 1}, {"price"})


def test_a_file_without_records_has_none(tmp_path):
    assert preview(log_of(tmp_path, []), num_records=9).num_records == 0


def test_a_column_that_is_not_there_is_said_as_a_night_says_it(tmp_path):
    file = log_of(tmp_path, ["ann,1,1500000000"])
    file.path.write_text("person,item,time\nann,1,1500000000\n")
    with pytest.raises(
        SourceFileError, match="has no column 'user'; its columns are 'person', 'item', 'time'"
    ):
        preview(file, num_records=9)


def test_of_many_columns_the_first_are_told(tmp_path):
    file = log_of(tmp_path, [])
    file.path.write_text(",".join(f"feature{number}" for number in range(3000)) + "\n")
    with pytest.raises(SourceFileError, match="'feature39' and 2,960 others. Name the right one"):
        preview(file, num_records=9)


def test_keys_that_are_somebodys_are_not_told(tmp_path):
    (tmp_path / "log.json").write_text('{"ann@example.org": {"item": 1}, "bob@example.org": {"item": 2}}')
    source = EventLog(path=tmp_path / "log.json", columns=EVENTS, format="json")
    with pytest.raises(SourceFileError, match="'time'; it has 2 others, which look like values. Name"):
        preview(first_file(source), num_records=9)
