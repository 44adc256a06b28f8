"""One bad thing costs only itself: what the ingest stage does with files that are not as they should be."""

import re
import shutil

import pytest

from feature_store.intake.ledger import read_again
from feature_store.lake.durable_files import FileAccessError
from feature_store.lake.lake import Lake
from feature_store.tables.notes import read_notes
from feature_store.tables.runs import open_run
from flows.settings import read_settings
from flows.stages import take_in
from flows.stages.ingest import ingest_files
from recsys_adapters.errors import SourceFileError

LOG = "user,item,at\nann,i1,1500000000\n"
ITEMS = "item,title\ni1,Alpha\n"
SOURCES = """
[[sources]]
adapter = "event_log"
path = "logs"
columns = {user_id = "user", item_id = "item", event_time = "at"}
[[sources]]
adapter = "catalogue"
path = "items.csv"
columns = {item_id = "item", title = "title"}
"""


@pytest.fixture
def night(empty_lake, tmp_path):
    """A function that runs the intake of a night, and returns its counts and its notes."""
    shutil.copytree(empty_lake, tmp_path / "lake")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "good.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text(ITEMS)

    def run_intake(settings=SOURCES):
        file = tmp_path / "fan.toml"
        file.write_text(settings)
        lake = Lake(tmp_path / "lake")
        run = open_run(lake)
        try:
            counts = ingest_files(read_settings(file), lake, run)
            return counts, [(note.severity, note.message) for note in read_notes(lake, run.run_id)]
        finally:
            lake.close()

    return run_intake


def of(severity, notes):
    return [message for found, message in notes if found == severity]


@pytest.mark.whole
def test_a_night_without_a_flaw_has_no_fault(night):
    counts, notes = night()
    assert (counts["accepted"], counts["faults"]) == (2, 0)
    assert notes == [("note", "100.0% of 1 events meet an item of a catalogue")]
    assert night()[0]["files_known"] == 2


@pytest.mark.whole
def test_a_bad_file_costs_only_itself_and_is_a_fault_every_night_until_it_is_mended(night, tmp_path):
    (tmp_path / "logs" / "bad.csv").write_bytes(b"\x1f\x8b\x08 cut short")
    for accepted in (2, 0):
        counts, notes = night()
        assert (counts["accepted"], counts["faults"]) == (accepted, 1)
        assert of("fault", notes)[0].startswith("bad.csv is a damaged gzip file")
    (tmp_path / "logs" / "bad.csv").write_text(LOG.replace("ann", "bob"))
    assert night()[0]["faults"] == 0


def test_a_bad_file_stops_the_night_where_that_is_asked_for(night, tmp_path):
    (tmp_path / "logs" / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceFileError, match=r"bad\.csv \(event_log\) has no column 'user'"):
        night('on_bad_file = "stop"\n' + SOURCES)


@pytest.mark.whole
def test_a_file_all_of_whose_rows_are_refused_is_a_fault_every_night(night, tmp_path):
    (tmp_path / "logs" / "old.csv").write_text("user,item,at\nann,i1,1500000\n")
    for _ in range(2):
        counts, notes = night()
        assert counts["faults"] == 1
        assert of("fault", notes)[0].startswith("every row of old.csv")


def test_a_refusal_names_the_setting_to_look_at(night, tmp_path):
    (tmp_path / "logs" / "iso.csv").write_text("user,item,at\nann,i1,2017-07-14\nann,i1,1500000001\n")
    (warning,) = of("warning", night()[1])
    assert warning.startswith("1 of 2 rows of iso.csv refused: at is not a number (1).")
    assert 'set time_format = "iso8601"' in warning


def test_whoever_has_times_read_automatically_is_told_of_patterns(night, tmp_path):
    (tmp_path / "logs" / "odd.csv").write_text("user,item,at\nann,i1,13~05~2017\nann,i1,2017-07-14\n")
    (warning,) = of(
        "warning", night(SOURCES.replace("[[sources]]", '[[sources]]\ntime_format = "auto"', 1))[1]
    )
    assert 'set time_format to a pattern such as "%d/%m/%Y %H:%M"' in warning
    assert '"auto" if it is not that already' in warning


def test_a_source_without_files_costs_only_itself(night):
    counts, notes = night(SOURCES.replace('"items.csv"', '"nothing"'))
    assert (counts["accepted"], counts["faults"]) == (1, 1)
    assert "there is no such file or folder" in of("fault", notes)[0]


def test_a_file_that_has_no_header_is_told_so_without_a_word_of_its_first_record(night, tmp_path):
    (tmp_path / "logs" / "bare.csv").write_text("secret@example.org,1,2014-04-07T10:51:09Z\n")
    (fault,) = of("fault", night()[1])
    assert "set header = false and names = [...], for 3 columns" in fault
    assert "secret" not in fault


@pytest.mark.whole
def test_two_sources_of_one_name_are_kept_apart_and_told(night, tmp_path):
    (tmp_path / "orders.csv").write_text(LOG)
    both = SOURCES + SOURCES.split('[[sources]]\nadapter = "catalogue"')[0].replace('"logs"', '"orders.csv"')
    counts, notes = night(both)
    assert counts["accepted"] == 3
    assert of("warning", notes)[0].startswith("several sources are called event_log: they are kept apart")
    assert night(both)[0]["accepted"] == 0


def test_settings_that_are_corrected_replace_what_was_read_and_say_so(night):
    (narrow,) = [SOURCES.replace('"at"}', '"at"}\nearliest = "2020-01-01"', 1)]
    assert night(narrow)[0]["faults"] == 1
    counts, notes = night()
    assert (counts["accepted"], counts["faults"]) == (1, 0)
    anew = "good.csv is read anew, by other settings, on demand or since it was cut, and replaces its rows"
    assert anew in of("note", notes)
    assert night()[0]["accepted"] == 0


@pytest.mark.whole
def test_a_catalogue_that_is_read_otherwise_is_put_together_anew_of_all(night, tmp_path):
    (tmp_path / "prices.csv").write_text("item,price\ni1,9\n")
    feed = '[[sources]]\nadapter = "catalogue"\nsource = "prices"\npath = "prices.csv"\n'
    feed += 'columns = {item_id = "item"}\n'
    assert night(feed + SOURCES)[0]["accepted"] == 3
    spaced = SOURCES.replace('title = "title"}', 'title = "title"}\nid_space = "films"')
    counts, notes = night(feed.replace('"item"}', '"item"}\nid_space = "films"') + spaced)
    assert counts["faults"] == 0
    lake = Lake(tmp_path / "lake")
    items = lake.query("SELECT item_id, fields->>'title' AS title, fields->>'price' AS price FROM items")
    lake.close()
    assert items.to_pylist() == [{"item_id": "films:i1", "title": "Alpha", "price": "9"}]


def test_a_feed_whose_items_come_later_is_a_fault_until_then_and_told_once_they_are_there(night, tmp_path):
    (tmp_path / "prices.csv").write_text("item,price\ni8,8\n")
    feed = '[[sources]]\nadapter = "catalogue"\nsource = "prices"\npath = "prices.csv"\n'
    settings = SOURCES + feed + 'columns = {item_id = "item"}\n'
    for _ in range(2):
        counts, notes = night(settings)
        assert any("every row of prices.csv" in fault for fault in of("fault", notes))
    (tmp_path / "items.csv").write_text(ITEMS + "i8,Omega\n")
    counts, notes = night(settings)
    told = "prices.csv is read again: 1 of its records waited for items that have come"
    assert (told in of("note", notes), counts["faults"]) == (True, 0)
    assert night(settings)[0]["faults"] == 0


@pytest.mark.whole
def test_a_log_and_a_catalogue_are_read_again_on_demand_and_then_known(night, tmp_path):
    night()
    lake = Lake(tmp_path / "lake")
    read_again(lake, ["good.csv", "items.csv"])
    lake.close()
    counts, notes = night()
    assert (counts["files"], counts["accepted"], counts["duplicate"], counts["faults"]) == (2, 2, 0, 0)
    assert [message.partition(" is read anew")[0] for message in of("note", notes)][:2] == [
        "items.csv",
        "good.csv",
    ]
    assert night()[0]["files_known"] == 2


@pytest.mark.whole
def test_lists_are_delivered_once_and_again_when_a_part_changes(night, tmp_path):
    parts = tmp_path / "lists"
    parts.mkdir()
    (parts / "part-0.csv").write_text("user_id,item_id,rank\nann,i1,0\n")
    (parts / "part-1.csv").write_text("user_id,item_id,rank\nbob,i1,0\n")
    given = '[targets]\nmethod = "given"\n[[sources]]\nadapter = "recommendations"\npath = "lists"\n'
    assert night(SOURCES + given)[0]["accepted"] == 4
    assert night(SOURCES + given)[0]["files"] == 0
    (parts / "part-1.csv").write_text("user_id,item_id,rank\ncid,i1,0\n")
    assert night(SOURCES + given)[0]["files"] == 2
    lake = Lake(tmp_path / "lake")
    users = lake.query("SELECT user_id FROM night.targets JOIN keyed.users USING (user_key) ORDER BY user_id")
    lake.close()
    assert users["user_id"].to_pylist() == ["ann", "cid"]


def test_an_error_that_nobody_foresaw_is_told_without_its_own_words(night, monkeypatch):
    def fail(*_, **__):
        raise ValueError("could not convert 'a text of a user'")

    monkeypatch.setattr("feature_store.intake.file_batches.append_together", fail)
    counts, notes = night()
    assert counts["faults"] == 2
    told = r"cannot be read \(ValueError at .+\.py:\d+\): see that the file is whole.*report this line"
    assert any(re.search(f"good.csv {told}", message) for message in of("fault", notes))
    assert not any("a text of a user" in message for _, message in notes)
    with pytest.raises(SourceFileError, match=told) as caught:
        night('on_bad_file = "stop"\n' + SOURCES)
    assert "a text of a user" not in str(caught.value)


LISTS = (
    SOURCES
    + """
[[sources]]
adapter = "recommendations"
path = "lists"
"""
)


def test_each_list_of_a_delivery_is_told_of_by_its_own_name(night, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.csv").write_bytes(b"\x00\x00no list")
    (tmp_path / "lists" / "b.csv").write_text("user_id,item_id,rank\nann,i1,x\nann,i1,1\n")
    (tmp_path / "lists" / "c.csv").write_text("user_id,item_id,rank\nann,i1,1\n,i1,1\n")
    counts, notes = night(LISTS)
    assert counts["rejected"] == 2
    assert len(of("fault", notes)) == 1
    assert "a.csv" in of("fault", notes)[0]
    assert [message[:22] for message in of("warning", notes) if "refused" in message] == [
        "1 of 2 rows of b.csv r",
        "1 of 2 rows of c.csv r",
    ]


def test_a_source_that_waits_is_told_and_no_fault(night):
    counts, notes = night(SOURCES.replace('path = "logs"', 'path = "logs"\nmarker = "_SUCESS"'))
    assert counts["faults"] == 0
    assert "nothing of logs is read: 1 files wait, since they may still be written: good.csv" in of(
        "warning", notes
    )


def test_a_file_that_is_gone_before_it_is_read_is_told_in_words(night, monkeypatch):
    def lose(file):
        raise FileAccessError(f"cannot read {file.name}: No such file or directory")

    monkeypatch.setattr(take_in, "offer_now", lose)
    _, notes = night()
    assert "cannot read good.csv: No such file or directory" in of("fault", notes)


def test_a_column_of_megabytes_is_not_quoted_to_its_end(night, tmp_path):
    (tmp_path / "logs" / "one_line.csv").write_text("x" * 100_000)
    _, notes = night()
    (fault,) = of("fault", notes)
    assert len(fault) < take_in.LONGEST_MESSAGE + 100
    assert fault.startswith("one_line.csv (event_log) has no column 'user'")
    assert "more characters]" in fault
    assert "correct the file" in fault
