"""A file is known by its content and by how it was read; of catalogues and lists the last delivery counts."""

import json
import os
from datetime import date

import pytest

from feature_store.intake.deliveries import is_delivered
from feature_store.intake.file_batches import FileIntake
from feature_store.intake.known_files import Known
from feature_store.intake.ledger import UnknownFileError, read_again
from feature_store.intake.offers import ChangedFileError
from feature_store.tables.runs import open_run
from feature_store.upkeep.checks import check_tables
from recsys_adapters.sources.catalogue import Catalogue
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.recommendations import Recommendations
from tests.feature_store.logs import (
    append_file,
    ask,
    offer,
    take_in_events,
    take_in_items,
    take_in_targets,
    users_of,
    write_states,
)

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
LOG = "user,item,at,what\nann,i1,1500000000,view\nann,i2,1500000100,buy\nbob,i1,1500000200,buy\n"


def take_in_log(lake, file, *, offering=(), **options):
    """Read a log as a night does: what an earlier reading brought goes."""
    (log,) = EventLog(**({"path": file, "columns": COLUMNS} | options)).files()
    intake = FileIntake(lake=lake, run=open_run(lake))
    ((_, outcome),) = intake.append_logs([offer(log)], offering=offering)
    return None if isinstance(outcome, Known) else outcome


def found(lake, columns="user_id, item_id"):
    return ask(lake, f"SELECT {columns} FROM interactions ORDER BY ALL")


def broken_promises(lake):
    return [finding.promise for finding in check_tables(lake) if finding.num_offenders]


def log_file(folder):
    file = folder / "log.csv"
    file.write_text(LOG)
    return file


def test_a_file_is_read_anew_when_it_is_read_otherwise_and_its_earlier_rows_are_replaced(lake, tmp_path):
    file, kinds = log_file(tmp_path), COLUMNS | {"kind": "what"}
    first = take_in_log(lake, file, columns=kinds, kinds={"view": 1.0})
    assert (first.accepted, first.rejected) == (1, 2)
    assert take_in_log(lake, file, columns=kinds, kinds={"view": 1.0}) is None
    second = take_in_log(lake, file, columns=kinds, kinds={"view": 1.0, "buy": 5.0})
    assert (second.accepted, second.rejected) == (3, 0)
    assert found(lake) == [("ann", "i1"), ("ann", "i2"), ("bob", "i1")]
    assert ask(lake, "SELECT count(*) FROM rejected_rows") == [(0,)]
    assert broken_promises(lake) == []


def test_times_that_were_read_in_a_wrong_unit_are_gone_once_the_unit_is_right(lake, tmp_path):
    file = log_file(tmp_path)
    take_in_log(lake, file, time_format="milliseconds", earliest=date(1970, 1, 1))
    assert found(lake, "DISTINCT year(event_time)") == [(1970,)]
    take_in_log(lake, file, time_format="seconds", earliest=date(1970, 1, 1))
    assert found(lake, "DISTINCT year(event_time)") == [(2017,)]
    assert ask(lake, "SELECT count(*) FROM superseded_interactions") == [(3,)]


def test_whose_events_go_with_a_reading_is_to_be_profiled_anew(lake, tmp_path):
    file, kinds = log_file(tmp_path), COLUMNS | {"kind": "what"}
    take_in_log(lake, file, columns=kinds, kinds={"view": 1.0, "buy": 5.0})
    write_states(lake, ("ann", "bob"))
    take_in_log(lake, file, columns=kinds, kinds={"view": 1.0})
    assert found(lake) == [("ann", "i1")]
    assert users_of(lake, "night.profile_states") == users_of(lake, "night.target_states") == []


def test_settings_that_go_back_read_a_file_as_before(lake, tmp_path):
    file = log_file(tmp_path)
    for unit in ("seconds", "milliseconds", "seconds"):
        assert take_in_log(lake, file, time_format=unit, earliest=date(1970, 1, 1)).accepted == 3
    assert len(found(lake)) == 3
    assert broken_promises(lake) == []


@pytest.mark.parametrize("cuts", [(1,), (2,), (2, 1)])
@pytest.mark.parametrize("last", ["user", "item", "at"])
def test_half_a_line_that_was_taken_for_a_record_goes_once_the_line_is_whole(lake, tmp_path, last, cuts):
    events = [("1500000000", "ann", "i10"), ("1500000100", "ann", "i20"), ("1500000200", "bob", "i10")]
    names = ["at", "user", "item"]
    order = sorted(names, key=lambda name: name == last)
    lines = [order, *([event[names.index(name)] for name in order] for event in events)]
    log, file = "\n".join(map(",".join, lines)), tmp_path / "log.csv"
    for cut in cuts:
        file.write_text(log[:-cut])
        assert take_in_log(lake, file, earliest=date(1970, 1, 1)).rejected == 0
        assert len(found(lake)) == 3
    file.write_text(log + "\n" + log.splitlines()[1] + "\n")
    take_in_log(lake, file, earliest=date(1970, 1, 1))
    seen = found(lake, "epoch(event_time)::BIGINT::VARCHAR, user_id, item_id")
    assert seen == events
    assert broken_promises(lake) == []


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_a_log_that_grows_by_whole_lines_keeps_what_was_read_of_it(lake, tmp_path, end):
    file, lines = tmp_path / "log.csv", LOG.splitlines()
    newline = end or "\n"
    file.write_bytes((newline.join(lines[:3]) + end).encode())
    take_in_log(lake, file)
    file.write_bytes((newline.join(lines) + end).encode())
    assert take_in_log(lake, file).accepted == 1
    assert ask(lake, "SELECT count(*) FROM superseded_interactions") == [(0,)]
    assert ask(lake, "SELECT size_bytes FROM ingested_files ORDER BY ingested_at DESC LIMIT 1") == [
        (file.stat().st_size,)
    ]


def grow(file, text):
    with file.open("a") as stream:
        stream.write(text)


def as_csv(number):
    return f"{'ann' if number < 3 else 'zoe'},i{number},{1_500_000_000 + number}\n"


def as_json(number):
    return (
        json.dumps({"user": "ann" if number < 3 else "zoe", "item": f"i{number}", "at": 1_500_000_000}) + "\n"
    )


@pytest.mark.parametrize(
    ("ending", "head", "line"), [("csv", "user,item,at\n", as_csv), ("jsonl", "", as_json)]
)
def test_what_is_added_to_a_file_between_a_look_at_it_and_its_reading_waits_and_is_read_once(
    lake, tmp_path, ending, head, line
):
    file = tmp_path / f"log.{ending}"
    file.write_text(head + "".join(map(line, range(3))))

    def take_in(added=""):
        (log,) = EventLog(path=file, columns=COLUMNS, format=ending).files()
        offered = offer(log)
        grow(file, added)
        ((_, outcome),) = FileIntake(lake=lake, run=open_run(lake)).append_logs([offered])
        return outcome

    counts = take_in(added=line(3) + line(4)[:-8])
    assert (counts.rows_read, counts.accepted, counts.rejected) == (3, 3, 0)
    counts = take_in()
    assert (counts.rows_read, counts.accepted, counts.duplicate, counts.rejected) == (5, 1, 3, 1)
    assert isinstance(take_in(), Known)
    assert ask(lake, "SELECT count(*) FROM rejected_rows") == [(1,)]
    grow(file, line(4)[-8:])
    assert (take_in().rejected, ask(lake, "SELECT count(*) FROM rejected_rows")) == (0, [(0,)])
    assert ask(lake, "SELECT item_id FROM interactions ORDER BY 1") == [
        (f"i{number}",) for number in range(5)
    ]
    assert broken_promises(lake) == []


@pytest.mark.parametrize("before", [[], ["b.csv"]], ids=["first", "second"])
def test_an_event_whose_new_name_goes_with_the_reading_that_gave_it_has_its_own_in_later_files(
    lake, tmp_path, before
):
    def write(name, event, user, at, when):
        (tmp_path / name).write_text(f"event,user,at,when\n{event},{user},{at},{when}\n")

    def take_in(time):
        columns = {"event_id": "event", "user_id": "user", "item_id": "user", "event_time": time}
        offers = map(offer, EventLog(path=tmp_path / "*.csv", columns=columns).files())
        return [one.file.name for one, _ in FileIntake(lake=lake, run=open_run(lake)).append_logs(offers)]

    write("c.csv", "e1", "bob", 1_500_000_100, "")
    write("a.csv", "e1", "ann", 1_500_000_000, 1_500_000_000)
    assert take_in("at") == ["a.csv", "c.csv"]
    assert ("bob", "e1") not in found(lake, "user_id, interaction_id")
    (tmp_path / "a.csv").unlink()
    for name in before:
        write(name, "e2", "cid", "", 1_500_000_000)
    write("d.csv", "e1", "bob", "", 1_500_000_100)
    assert take_in("when") == [*before, "c.csv", "d.csv"]
    assert ("bob", "e1") in found(lake, "user_id, interaction_id")


def test_a_file_that_is_written_anew_while_it_is_read_is_not_taken_in(lake, tmp_path):
    file = log_file(tmp_path)
    offered = offer(EventLog(path=file, columns=COLUMNS).files()[0])
    file.write_text(LOG.replace("ann", "eve"))
    ((_, outcome),) = FileIntake(lake=lake, run=open_run(lake)).append_logs([offered])
    assert isinstance(outcome, ChangedFileError)
    with pytest.raises(
        ChangedFileError, match=r"log\.csv was written anew while it was read, so nothing of it"
    ):
        raise outcome
    assert ask(lake, "SELECT count(*) FROM interactions") == [(0,)]
    assert take_in_log(lake, file).accepted == 3


def test_a_file_that_is_only_touched_or_gone_after_it_was_read_is_as_it_was_offered(tmp_path):
    file = log_file(tmp_path)
    offered = offer(EventLog(path=file, columns=COLUMNS).files()[0])
    os.utime(file, (1, 1))
    offered.check_unchanged()
    file.unlink()
    offered.check_unchanged()


def test_another_content_of_the_same_name_takes_nothing_away(lake, tmp_path):
    file = log_file(tmp_path)
    file.write_text(LOG.removesuffix("y\n"))
    take_in_log(lake, file)
    file.write_text(LOG.replace("ann", "eva") + "eve,i9,1500000300,view\n")
    take_in_log(lake, file)
    assert len(found(lake)) == 6


def test_a_source_that_is_renamed_takes_its_rows_along(lake, tmp_path):
    file = log_file(tmp_path)
    take_in_log(lake, file)
    take_in_log(lake, file, source="shop")
    assert found(lake, "DISTINCT source") == [("shop",)]


def test_another_source_that_offers_the_same_content_keeps_its_rows(lake, tmp_path):
    file = log_file(tmp_path)
    take_in_log(lake, file)
    (log,) = EventLog(path=file, columns=COLUMNS).files()
    take_in_log(lake, file, source="shop", offering={offer(log).offering})
    sources = ask(lake, "SELECT source, count(*) FROM interactions GROUP BY ALL ORDER BY ALL")
    assert sources == [("event_log", 3), ("shop", 3)]


def test_the_last_of_two_rows_of_an_item_counts(lake, tmp_path):
    rows = [("i1", "old"), ("i2", "zeta"), ("i1", "new"), ("i2", "beta")]
    file = tmp_path / "items.csv"
    file.write_text("item,title\n" + "".join(f"{item},{title}\n" for item, title in rows))
    (catalogue,) = Catalogue(path=file, columns={"item_id": "item", "title": "title"}).files()
    counts = append_file(lake, catalogue, open_run(lake))
    assert (counts.accepted, counts.duplicate) == (2, 2)
    assert "2 rows repeat another row's item" in counts.warnings[0]
    assert ask(lake, "SELECT item_id, title FROM items ORDER BY ALL") == [("i1", "new"), ("i2", "beta")]


def test_a_catalogue_that_comes_back_counts_again(lake, tmp_path):
    for title in ("Alpha", "Omega", "Alpha"):
        assert take_in_items(lake, tmp_path, {"i1": title}).accepted == 1
        assert take_in_items(lake, tmp_path, {"i1": title}) is None
        assert ask(lake, "SELECT title FROM items") == [(title,)]
    assert broken_promises(lake) == []


def test_a_file_of_repeats_says_so_with_examples(lake, tmp_path):
    event = ("", "ann", "i1", "2024-05-01", 1.0)
    counts = take_in_events(lake, tmp_path, [event, event, ("", "ann", "i2", "2024-05-01", 1.0)])
    assert (counts.accepted, counts.duplicate) == (2, 1)
    (warning,) = counts.warnings
    assert warning.startswith("1 rows repeat another row's identity")
    assert "item i1 at 2024-05-01" in warning


def test_records_without_an_identity_are_all_events(lake, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("user,item,at\n" + "ann,i1,1500000000\n" * 3)
    assert take_in_log(lake, file, identity="none").accepted == 3


def test_columns_may_be_the_identity_of_events(lake, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("user,item,at,order\nann,i1,1500000000,7\nann,i1,1500000000,8\nann,i1,1500000001,8\n")
    assert take_in_log(lake, file, identity=("order",)).accepted == 2
    assert found(lake, "epoch(event_time)") == [(1500000000.0,), (1500000001.0,)]


def test_a_feed_adds_to_what_other_catalogues_say_and_wipes_nothing(lake, tmp_path):
    take_in_items(lake, tmp_path, {"i1": "Alpha"})
    (tmp_path / "prices.csv").write_text("item,price,title2\ni1,9.5,\ni7,1,\n")
    (feed,) = Catalogue(path=tmp_path / "prices.csv", columns={"item_id": "item"}, source="prices").files()
    counts = append_file(lake, feed, open_run(lake))
    assert (counts.accepted, counts.reasons) == (1, (("no catalogue has the item", 1),))
    assert ask(lake, "SELECT title, fields->>'title', fields->>'price' FROM items") == [
        ("Alpha", "Alpha", "9.5")
    ]
    take_in_items(lake, tmp_path, {"i1": "Alpha, revised"}, name="revised")
    assert ask(lake, "SELECT title, fields->>'price' FROM items") == [("Alpha, revised", "9.5")]
    assert broken_promises(lake) == []


def test_two_catalogues_with_one_id_for_two_items_are_told(lake, tmp_path):
    take_in_items(lake, tmp_path, {"i1": "Alpha the film", "i2": "Beta"})
    (tmp_path / "books.csv").write_text("item,title\ni1,Gamma the book\ni2,BETA\n")
    books = {
        "path": tmp_path / "books.csv",
        "columns": {"item_id": "item", "title": "title"},
        "source": "books",
    }
    counts = append_file(lake, Catalogue(**books).files()[0], open_run(lake))
    assert counts.warnings[0].startswith("1 items of books have another title in catalogue")
    assert append_file(lake, Catalogue(**books, id_space="books").files()[0], open_run(lake)).warnings == ()
    assert ask(lake, "SELECT count(*) FROM items") == [(4,)]


def test_a_file_is_read_again_where_that_is_asked_for_and_its_rows_are_there_once(lake, tmp_path):
    file = log_file(tmp_path)
    take_in_log(lake, file)
    before = found(lake, "user_id, item_id, event_time")
    read_again(lake, ["log.csv"])
    assert take_in_log(lake, file).accepted == 3
    assert take_in_log(lake, file) is None
    assert found(lake, "user_id, item_id, event_time") == before
    assert broken_promises(lake) == []


def test_what_another_file_brought_and_was_refused_between_stays_word_for_word(lake, tmp_path):
    tables = ("interactions", "rejected_rows", "ingested_files")
    for name in ("a", "b", "c"):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"user,item,at\nuser {name},i1,1500000000\nuser {name},i2,never\n")
        take_in_log(lake, file)
    rows = {table: ask(lake, f"FROM {table} ORDER BY ALL") for table in tables}
    read_again(lake, ["a.csv", "c.csv"])
    offers = [offer(file) for file in EventLog(path=tmp_path / "[ac].csv", columns=COLUMNS).files()]
    counts = [made for _, made in FileIntake(lake=lake, run=open_run(lake)).append_logs(offers)]
    assert [(made.accepted, made.rejected) for made in counts] == [(1, 1), (1, 1)]
    for table in tables:
        own = "ingested_at IN (SELECT ingested_at FROM ingested_files WHERE file = 'b.csv')"
        of_b = ask(lake, f"FROM {table} WHERE {own} ORDER BY ALL")
        assert len(of_b) == 1
        assert set(of_b) <= set(rows[table])
    assert ask(lake, "SELECT count(*) FROM interactions") == [(3,)]
    assert ask(lake, "SELECT user_id FROM superseded_interactions ORDER BY ALL") == [("user a",), ("user c",)]
    assert ask(lake, "SELECT file, count(*) FROM rejected_rows GROUP BY file ORDER BY file") == [
        ("a.csv", 1), ("b.csv", 1), ("c.csv", 1)
    ]  # fmt: skip
    assert broken_promises(lake) == []


def test_a_catalogue_and_a_list_are_read_again_too(lake, tmp_path):
    assert take_in_items(lake, tmp_path, {"i1": "One"}).accepted == 1
    lists = [("ann", "i1", 1)]
    assert take_in_targets(lake, tmp_path, lists).accepted == 1
    (lists_file,) = Recommendations(path=tmp_path / "logs" / "targets.csv").files()
    offered = offer(lists_file)
    assert take_in_items(lake, tmp_path, {"i1": "One"}) is None
    assert is_delivered(lake, [offered], per_user=None)
    read_again(lake, ["items.csv", "targets.csv"])
    assert take_in_items(lake, tmp_path, {"i1": "One"}).rows_read == 1
    assert not is_delivered(lake, [offered], per_user=None)
    assert take_in_targets(lake, tmp_path, lists).accepted == 1
    assert is_delivered(lake, [offered], per_user=None)
    assert (
        ask(lake, "SELECT count(*) FROM items") == ask(lake, "SELECT count(*) FROM night.targets") == [(1,)]
    )


def test_a_file_that_was_never_taken_in_cannot_be_read_again(lake, tmp_path):
    take_in_log(lake, log_file(tmp_path))
    with pytest.raises(UnknownFileError, match="no file logs.csv was taken in: did you mean log.csv\\?"):
        read_again(lake, ["log.csv", "logs.csv"])
    assert take_in_log(lake, tmp_path / "log.csv") is None
