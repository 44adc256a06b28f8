"""Files that follow each other are taken in together, and what is wrong with one costs only itself."""

from datetime import UTC, datetime, timedelta

import pytest

from feature_store.intake import file_batches
from feature_store.intake.file_batches import FileIntake, append_delivery
from feature_store.intake.known_files import Known
from feature_store.intake.ledger import FileCounts
from feature_store.intake.source_files import append_together
from feature_store.intake.staged_batches import stage_together
from feature_store.lake.sql import LAKE
from feature_store.tables.runs import open_run
from feature_store.tables.users import find_key
from feature_store.upkeep.erasure import erase_user
from recsys_adapters.formats.delimited_blocks import DelimitedBlocks
from recsys_adapters.sources.event_log import EventLog
from recsys_adapters.sources.recommendations import Recommendations
from tests.feature_store.logs import ask, offer

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at", "event_id": "event"}
HEADER = "user_id,item_id,rank\n"


def write_logs(folder, **logs):
    """A file for each log of (event, user, item, time), named as it is."""
    (folder / "logs").mkdir(exist_ok=True)
    for name, rows in logs.items():
        lines = ["event,user,item,at", *(",".join(map(str, row)) for row in rows)]
        (folder / "logs" / f"{name}.csv").write_text("\n".join([*lines, ""]))


def take_in(lake, folder, *, is_strict=False, **options):
    """What became of each file of the folder, in its order."""
    log = EventLog(path=folder / "logs", columns=COLUMNS, **options)
    intake = FileIntake(lake=lake, run=open_run(lake), is_strict=is_strict)
    return [outcome for _, outcome in intake.append_logs([offer(file) for file in log.files()])]


def break_sector(monkeypatch, name):
    """Let the file of a name fail while it is read."""
    read = DelimitedBlocks.batches

    def fail_in_one(self):
        if self.path.name == name:
            raise OSError(5, "the disk has a bad sector")
        return read(self)

    monkeypatch.setattr(DelimitedBlocks, "batches", fail_in_one)


@pytest.fixture
def batches(monkeypatch):
    """How many files were read together, each time."""
    sizes = []

    def append_and_note(lake, offers, files, run):
        sizes.append(len(offers))
        return append_together(lake, offers, files, run)

    monkeypatch.setattr(file_batches, "append_together", append_and_note)
    return sizes


def test_files_of_one_header_are_one_batch_and_others_begin_the_next(lake, tmp_path, batches):
    write_logs(tmp_path, a=[("e1", "ann", "i1", 1500000000)], b=[], c=[("e2", "bob", "i1", 1500000001)])
    (tmp_path / "logs" / "d.csv").write_text("user,event,item,at\nann,e3,i2,1500000002\n")
    write_logs(tmp_path, e=[("e4", "", "i1", 1500000003)])
    counts = [(one.rows_read, one.accepted, one.rejected) for one in take_in(lake, tmp_path)]
    assert counts == [(1, 1, 0), (0, 0, 0), (1, 1, 0), (1, 1, 0), (1, 0, 1)]
    assert batches == [3, 1, 1]
    assert ask(lake, "SELECT count(DISTINCT ingested_at), count(*) FROM ingested_files") == [(5, 5)]
    assert all(isinstance(outcome, Known) for outcome in take_in(lake, tmp_path))
    assert len(batches) == 3


def test_the_lake_says_of_each_snapshot_which_files_came(lake, tmp_path):
    write_logs(tmp_path, **{name: [(name, "ann", "i1", 1500000000)] for name in "abc"})
    take_in(lake, tmp_path)
    write_logs(tmp_path, d=[("e9", "ann", "i1", 1500000000)])
    take_in(lake, tmp_path)
    write_logs(tmp_path, e=[("e10", "ann", "i1", 1500000000)], f=[("e11", "ann", "i1", 1500000000)])
    take_in(lake, tmp_path)
    told = ask(lake, f"SELECT commit_message FROM {LAKE}.snapshots() WHERE commit_message LIKE 'ingest%'")
    assert told == [("ingest a.csv and 2 more",), ("ingest d.csv",), ("ingest e.csv and 1 more",)]


@pytest.mark.parametrize(("name", "most"), [("MOST_FILES", 2), ("MOST_BYTES", 100)])
def test_a_batch_is_bounded(lake, tmp_path, batches, monkeypatch, name, most):
    monkeypatch.setattr(file_batches, name, most)
    write_logs(tmp_path, **{f"f{number}": [(number, "ann", "i1", 1500000000)] for number in range(5)})
    assert sum(one.accepted for one in take_in(lake, tmp_path)) == 5
    assert batches == [2, 2, 1]


@pytest.mark.read_apart
def test_a_file_that_fails_while_it_is_read_costs_only_itself(lake, tmp_path, batches, monkeypatch):
    write_logs(tmp_path, **{f"f{number}": [(number, "ann", "i1", 1500000000)] for number in range(4)})
    break_sector(monkeypatch, "f2.csv")
    outcomes = take_in(lake, tmp_path)
    assert [isinstance(outcome, FileCounts) for outcome in outcomes] == [True, True, False, True]
    assert batches == [4, 2, 2, 1, 1]
    assert ask(lake, "SELECT file FROM ingested_files ORDER BY file") == [
        ("f0.csv",),
        ("f1.csv",),
        ("f3.csv",),
    ]


def test_what_one_of_two_files_of_one_content_fails_with_the_other_may_bring(lake, tmp_path, monkeypatch):
    write_logs(tmp_path, a=[("e1", "ann", "i1", 1500000000)], b=[("e1", "ann", "i1", 1500000000)])
    break_sector(monkeypatch, "a.csv")
    failed, taken = take_in(lake, tmp_path)
    assert isinstance(failed, Exception)
    assert (taken.file, taken.accepted) == ("b.csv", 1)
    assert ask(lake, "SELECT user_id, item_id FROM interactions") == [("ann", "i1")]


def test_each_of_two_files_of_one_content_that_is_no_log_is_told_why(lake, tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "logs" / f"{name}.csv").write_text("who,what\nann,i1\n")
    first, second = take_in(lake, tmp_path, is_strict=True)
    assert type(first) is type(second)
    assert str(first) == str(second).replace("b.csv", "a.csv")
    assert "user" in str(first)


def test_columns_that_the_path_tells_differ_from_file_to_file_of_one_batch(lake, tmp_path, batches):
    for kind in ("view", "buy"):
        (tmp_path / "logs" / f"what={kind}").mkdir(parents=True)
        lines = f"event,user,item,at\n{kind},ann,i1,1500000000\n"
        (tmp_path / "logs" / f"what={kind}" / "a.csv").write_text(lines)
    log = EventLog(path=tmp_path / "logs", columns=COLUMNS | {"kind": "what"}, identity="none")
    intake = FileIntake(lake=lake, run=open_run(lake))
    assert [counts.accepted for _, counts in intake.append_logs(map(offer, log.files()))] == [1, 1]
    assert batches == [2]
    assert ask(lake, "SELECT kind FROM interactions ORDER BY kind") == [("buy",), ("view",)]


def test_an_event_that_changes_its_user_and_is_corrected_again_is_one_event(lake, tmp_path, batches):
    moves = {
        name: [("e1", user, "i1", 1500000000)]
        for name, user in zip("abc", ("ann", "bob", "cid"), strict=True)
    }
    write_logs(tmp_path, **moves)
    assert [one.accepted for one in take_in(lake, tmp_path)] == [1, 1, 1]
    assert batches[0] == 3
    assert max(batches[1:]) < 3
    assert ask(lake, "SELECT user_id, starts_with(interaction_id, '##') FROM interactions") == [("cid", True)]
    assert ask(lake, "SELECT count(*) FROM superseded_interactions") == [(2,)]


def test_a_forgotten_user_who_comes_back_in_the_second_file_was_not_back_in_the_first(lake, tmp_path):
    old = ("e1", "ann", "i1", 1500000000)
    write_logs(tmp_path, a=[old])
    take_in(lake, tmp_path)
    erase_user(lake, find_key(lake, "ann"))
    soon = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    write_logs(
        tmp_path, a=[old, ("e2", "ann", "", soon)], b=[("e3", "ann", "i2", soon), ("e4", "ann", "", soon)]
    )
    counts = [(one.rows_read, one.accepted, one.rejected) for one in take_in(lake, tmp_path)]
    assert counts == [(0, 0, 0), (2, 1, 1)]


def test_settings_that_change_read_all_files_anew_together(lake, tmp_path, batches):
    write_logs(tmp_path, **{f"f{number}": [(number, "ann", "i1", 1500000000)] for number in range(4)})
    take_in(lake, tmp_path)
    take_in(lake, tmp_path, default_kind="visit")
    assert batches == [4, 4]
    assert ask(lake, "SELECT DISTINCT kind FROM interactions") == [("visit",)]
    assert ask(lake, "SELECT count(*) FROM superseded_interactions") == [(4,)]


def test_a_file_that_speaks_of_what_a_later_one_brought_is_read_anew_by_itself(lake, tmp_path, batches):
    write_logs(tmp_path, a=[("e1", "ann", "i1", 1500000000)], b=[("e1", "ann", "i2", 1500000000)])
    take_in(lake, tmp_path)
    counts = [(one.accepted, one.duplicate) for one in take_in(lake, tmp_path, default_kind="visit")]
    assert (batches, counts) == ([2, 2, 1, 1], [(1, 0), (1, 0)])
    assert ask(lake, "SELECT item_id, kind FROM interactions") == [("i2", "visit")]


@pytest.mark.parametrize(("most", "sizes"), [(512, [3]), (2, [2, 1])])
def test_a_delivery_in_many_files_is_read_together(lake, tmp_path, monkeypatch, most, sizes):
    read = []

    def stage_and_note(stack, lake, connection, offers, files, run):
        read.append(len(offers))
        return stage_together(stack, lake, connection, offers, files, run)

    monkeypatch.setattr(file_batches, "MOST_FILES", most)
    monkeypatch.setattr(file_batches, "stage_together", stage_and_note)
    for number, user in enumerate(("ann", "bob", "ann")):
        (tmp_path / f"{number}.csv").write_text(f"{HEADER}{user},i1,1\n,i1,1\n")
    files = Recommendations(path=tmp_path / "*.csv").files()
    taken = append_delivery(lake, [offer(file) for file in files], open_run(lake))
    assert read == sizes
    counts = [(one.file, one.accepted, one.duplicate, one.rejected) for _, one in taken]
    assert counts == [("0.csv", 1, 0, 1), ("1.csv", 1, 0, 1), ("2.csv", 0, 1, 1)]
    assert ask(lake, "SELECT count(DISTINCT ingested_at) FROM ingested_files") == [(1,)]


def test_of_a_delivery_that_cannot_be_read_whole_who_is_not_named_keeps_their_list(lake, tmp_path):
    def deliver(on_fault=None, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text)
        offers = [offer(file) for file in Recommendations(path=tmp_path / "*.csv").files()]
        taken = append_delivery(lake, offers, open_run(lake), on_fault=on_fault)
        return [(one.file.name, counts.file, counts.accepted) for one, counts in taken]

    def lists():
        return ask(
            lake, "SELECT user_id, item_id FROM night.targets JOIN keyed.users USING (user_key) ORDER BY ALL"
        )

    deliver(a=f"{HEADER}ann,i1,1\n", b=f"{HEADER}bob,i1,1\n")
    faults = []
    made = deliver(
        a=f"{HEADER}ann,i2,1\n",
        b="who,what\n",
        c=f"{HEADER}cid,i3,1\ncid,i4,2\n",
        on_fault=lambda one, error: faults.append(one.file.name),
    )
    assert (made, faults) == ([("a.csv", "a.csv", 1), ("c.csv", "c.csv", 2)], ["b.csv"])
    assert lists() == [("ann", "i2"), ("bob", "i1"), ("cid", "i3"), ("cid", "i4")]
    with pytest.raises(ValueError, match=r"b\.csv"):
        deliver()
    deliver(b=f"{HEADER}ann,i5,2\n")
    assert lists() == [("ann", "i2"), ("ann", "i5"), ("cid", "i3"), ("cid", "i4")]


@pytest.mark.parametrize("user", ["\0", "a\0nn", "zoe\0"])
def test_a_user_with_a_nul_character_is_refused_alone(lake, tmp_path, user):
    write_logs(tmp_path, a=[("e1", "ann", "i1", 1500000000)], b=[("e2", "zoe", "i1", 1500000001)])
    take_in(lake, tmp_path)
    (tmp_path / "logs" / "c.csv").write_text(f"event,user,item,at\ne3,{user},i1,1500000002\n")
    write_logs(tmp_path, d=[("e4", "ann", "i1", 1500000003)])
    first, second, counts, last = take_in(lake, tmp_path)
    assert [type(first), type(second)] == [Known, Known]
    assert (counts.reasons, last.accepted) == ((("user has a NUL character", 1),), 1)
    assert ask(lake, "SELECT user_key, raw FROM rejected_rows") == [
        (None, f"e3,{user},i1,1500000002".replace("\0", "\\x00"))
    ]


def test_events_that_take_others_places_are_counted_whatever_files_between_said_of_them(lake, tmp_path):
    write_logs(tmp_path, a=[("e1", "ann", "i1", 1500000000), ("e2", "ann", "i2", 1500000001)])
    take_in(lake, tmp_path)
    write_logs(tmp_path, b=[("e1", "ann", "i9", 1500000000)])
    write_logs(tmp_path, c=[("e1", "bob", "i3", 1500000000), ("e2", "bob", "i4", 1500000001)])
    _, between, last = take_in(lake, tmp_path)
    assert between.warnings == ()
    (warning,) = last.warnings
    assert warning.startswith("2 events have the id of an earlier one of another user and item, and take")
    assert "for example item i3 that of item i9." in warning
