"""Source files into the lake: nothing lost, nothing twice, corrections replace."""

import itertools

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.intake import clashes, refused_records, source_files, staged_batches
from feature_store.intake.source_files import IntakeError
from feature_store.intake.staging import StagedFile
from feature_store.schemas import INTERACTIONS
from tests.feature_store.logs import (
    EVENT_COLUMNS,
    ask,
    hours,
    key_of,
    take_in_events,
    take_in_items,
    take_in_targets,
    take_in_together,
    users_of,
    write_csv,
    write_states,
)
from tests.marks import some_of

EVENTS = [
    ("e1", "ann", "i1", hours(1), 5.0),
    ("e2", "ann", "i2", hours(2), 4.0),
    ("e3", "bob", "i1", hours(3), 3.0),
]


@pytest.fixture(autouse=True, params=some_of(["taken over", "inserted"], "taken over"))
def way(request, monkeypatch):
    """Every test twice: the lake takes the staged file of each log over, or its rows are inserted."""
    is_taken_over, asked = request.param == "taken over", []
    add_rows = source_files._add_rows

    def add_rows_and_look(connection, staged):
        added, rows = add_rows(connection, staged), staged.rows
        asked.append((rows.table.name, rows.can_be_taken_over, rows.is_taken_over))
        return added

    monkeypatch.setattr(staged_batches, "LARGE_FILE", 1 if is_taken_over else 2**40)
    monkeypatch.setattr(source_files, "LARGEST_SHARE_CLASHING", 1.0)
    monkeypatch.setattr(source_files, "_add_rows", add_rows_and_look)
    yield request.param
    if source_files.LARGEST_SHARE_CLASHING < 1:
        return
    events = [(can_be, is_done) for table, can_be, is_done in asked if table == "interactions"]
    assert all(can_be == is_done for can_be, is_done in events), "a log went the other way in silence"


@pytest.mark.parametrize(("share", "is_inserted"), [(0.75, False), (0.74, True)])
def test_most_of_whose_rows_clash_is_inserted_and_not_taken_over(
    lake, tmp_path, monkeypatch, share, is_inserted
):
    taken_over, take_over = [], StagedFile.take_over

    def take_over_and_note(rows, connection):
        taken_over.append(rows.path)
        take_over(rows, connection)

    monkeypatch.setattr(staged_batches, "LARGE_FILE", 1)
    take_in_events(lake, tmp_path, EVENTS)
    monkeypatch.setattr(source_files, "LARGEST_SHARE_CLASHING", share)
    monkeypatch.setattr(StagedFile, "take_over", take_over_and_note)
    counts = take_in_events(lake, tmp_path, [*EVENTS, ("e4", "bob", "i2", hours(4), 2.0)], name="longer")
    assert (counts.accepted, counts.duplicate) == (1, 3)
    assert (taken_over == []) is is_inserted
    assert ask(lake, "SELECT count(*), count(DISTINCT interaction_id) FROM interactions") == [(4, 4)]


def write_together(folder, *logs):
    for number, events in enumerate(logs):
        write_csv(folder / f"{number}.csv", EVENT_COLUMNS, events)
    return folder


def contents(lake):
    tables = ("interactions", "superseded_interactions", "ingested_files", "rejected_rows")
    return {table: ask(lake, f"FROM {table} ORDER BY ALL") for table in tables}


def test_a_row_that_was_counted_and_is_not_there_stops_the_run_and_nothing_is_taken_in(
    lake, tmp_path, monkeypatch
):
    take_in_events(lake, tmp_path, EVENTS)
    before = contents(lake)
    monkeypatch.setattr(source_files, "merge", lambda connection, table, rows: None)
    with pytest.raises(IntakeError, match=r"correction\.csv: the lake would hold 0 rows of it, and 1 were"):
        take_in_events(lake, tmp_path, [("e2", "ann", "i3", hours(2), 1.0)], name="correction")
    assert contents(lake) == before


def test_of_files_that_are_taken_in_together_the_one_that_misses_a_row_is_named(lake, tmp_path, monkeypatch):
    insert = source_files._insert

    def insert_and_lose_one(connection, staged, clashes):
        insert(connection, staged, clashes)
        connection.execute(f"DELETE FROM {INTERACTIONS.qualified_name} WHERE interaction_id LIKE '%e3%'")

    before = contents(lake)
    monkeypatch.setattr(staged_batches, "LARGE_FILE", 2**40)
    folder = write_together(tmp_path / "together", EVENTS[:1], EVENTS[1:])
    with monkeypatch.context() as patch:
        patch.setattr(source_files, "_insert", insert_and_lose_one)
        with pytest.raises(IntakeError, match=r"1\.csv: the lake would hold 1 rows of it, and 2 were"):
            take_in_together(lake, folder)
    assert contents(lake) == before
    assert [made.accepted for made in take_in_together(lake, folder)] == [1, 2]


def test_a_file_is_taken_in_once_however_often_and_under_whatever_name_it_is_offered(lake, tmp_path):
    assert take_in_events(lake, tmp_path, EVENTS).accepted == 3
    assert take_in_events(lake, tmp_path, EVENTS) is None
    assert take_in_events(lake, tmp_path, EVENTS, name="a copy") is None
    assert ask(lake, "SELECT count(*) FROM interactions") == [(3,)]


def test_rows_known_word_for_word_are_duplicates_in_a_longer_file_and_within_one(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    counts = take_in_events(lake, tmp_path, [*EVENTS, ("e4", "bob", "i2", hours(4), 2.0)] * 2)
    assert (counts.rows_read, counts.accepted, counts.duplicate, counts.rejected) == (8, 1, 7, 0)
    assert ask(lake, "SELECT count(*), count(DISTINCT interaction_id) FROM interactions") == [(4, 4)]


def test_of_rows_with_one_event_the_last_of_a_file_counts_however_many_users_it_has(lake, tmp_path):
    events = [(f"e{number}", f"u{number}", "i1", hours(1), 1.0) for number in range(5000)]
    changed = [(event, user, item, at, 2.0) for event, user, item, at, _ in reversed(events)]
    counts = take_in_events(lake, tmp_path, [*events, *changed])
    assert (counts.accepted, counts.duplicate) == (5000, 5000)
    assert ask(lake, "SELECT weight, count(*) FROM interactions GROUP BY weight") == [(2.0, 5000)]


def test_a_correction_takes_the_place_of_what_was_known_which_stays_known_as_superseded(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    counts = take_in_events(lake, tmp_path, [("e2", "ann", "i3", hours(2), 1.0)], name="correction")
    assert counts.accepted == 1
    current = ask(lake, "SELECT item_id, weight FROM interactions WHERE user_id = 'ann' ORDER BY ALL")
    assert current == [("i1", 5.0), ("i3", 1.0)]
    superseded = ask(
        lake,
        "SELECT old.item_id, old.weight, old.ingested_at < superseded_at, superseded_at = new.ingested_at "
        "FROM superseded_interactions AS old JOIN interactions AS new USING (source, interaction_id)",
    )
    assert superseded == [("i2", 4.0, True, True)]


def test_a_file_with_a_flaw_at_its_very_end_leaves_no_second_copy_of_its_rows(lake, tmp_path):
    events = [(f"e{number}", "ann", "i1", hours(1), 1.0) for number in range(1000)]
    counts = take_in_events(lake, tmp_path, [*events, ("e1000", "", "i1", hours(1), 1.0)])
    assert (counts.rows_read, counts.accepted, counts.duplicate, counts.rejected) == (1001, 1000, 0, 1)
    counts = take_in_events(lake, tmp_path, [*events, ("e2000", "ann", "i1", hours(1), 1.0)], name="again")
    assert (counts.rows_read, counts.accepted, counts.duplicate, counts.rejected) == (1001, 1, 1000, 0)
    known = ask(lake, "SELECT data_file FROM ducklake_list_files('lake', 'interactions', schema => 'keyed')")
    on_disk = map(str, (lake.folder / "data" / "keyed" / "interactions").rglob("*.parquet"))
    of_rows = [file for file in on_disk if not file.endswith("-delete.parquet")]
    assert sorted(of_rows) == sorted(file for (file,) in known)
    assert list(lake.spill.iterdir()) == []


def test_more_refused_records_than_are_held_in_memory_are_all_kept(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(refused_records, "ROWS_IN_MEMORY", 2)
    broken = [(f"b{number}", "", "i1", hours(1), 1.0) for number in range(3)]
    counts = take_in_events(lake, tmp_path, [*EVENTS, *broken])
    assert (counts.rows_read, counts.accepted, counts.duplicate, counts.rejected) == (6, 3, 0, 3)
    assert ask(lake, "SELECT count(*) FROM interactions") == [(3,)]
    assert ask(lake, "SELECT line FROM rejected_rows ORDER BY line") == [(5,), (6,), (7,)]


def test_a_file_whose_write_meets_a_conflict_is_written_anew(lake, tmp_path, monkeypatch):
    append_ledger, conflicts = source_files.append_entries, iter(["transaction conflict"])

    def append_ledger_later(*arguments):
        for conflict in conflicts:
            raise duckdb.TransactionException(conflict)
        append_ledger(*arguments)

    monkeypatch.setattr(source_files, "append_entries", append_ledger_later)
    assert take_in_events(lake, tmp_path, EVENTS).accepted == 3
    assert ask(lake, "SELECT count(*) FROM interactions") == [(3,)]
    assert take_in_events(lake, tmp_path, EVENTS) is None


def test_the_same_event_id_in_two_sources_is_two_events(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    counts = take_in_events(lake, tmp_path, EVENTS, source="shop")
    assert (counts.accepted, counts.duplicate) == (3, 0)
    assert ask(lake, "SELECT count(*) FROM interactions WHERE interaction_id = 'e1'") == [(2,)]


@pytest.mark.whole
def test_whatever_a_source_is_called_its_events_say_so(lake, tmp_path):
    sources = ["007", "a=b/../c d", "null", "100%41", "журнал", "x" * 300]
    for source in sources:
        take_in_events(lake, tmp_path, [*EVENTS, ("e4", "ann", "", hours(4), 1.0)], source=source)
    ledger = "SELECT source, ingested_at, run_id, accepted FROM ingested_files ORDER BY ALL"
    brought = "SELECT source, ingested_at, run_id, count(*) FROM interactions GROUP BY ALL ORDER BY ALL"
    assert ask(lake, brought) == ask(lake, ledger)
    assert {row[0] for row in ask(lake, brought)} == set(sources)


@pytest.mark.whole
def test_keys_are_compared_in_parts_too(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(clashes, "HASHES_AT_ONCE", 1)
    assert take_in_events(lake, tmp_path, EVENTS).accepted == 3
    counts = take_in_events(lake, tmp_path, [*EVENTS, ("e4", "bob", "i2", hours(4), 2.0)], name="more")
    assert (counts.accepted, counts.duplicate) == (1, 3)


@pytest.mark.whole
def test_new_events_take_away_the_states_of_their_users_and_of_nobody_else(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    write_states(lake, ("ann", "bob", "cid"))
    take_in_events(lake, tmp_path, [*EVENTS, ("e9", "bob", "i9", hours(9), 1.0)], name="more")
    assert users_of(lake, "night.target_states") == ["ann", "cid"]
    assert users_of(lake, "night.profile_states") == ["ann", "cid"]


@pytest.mark.whole
def test_a_correction_that_gives_an_event_to_another_user_takes_away_the_states_of_both(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    write_states(lake, ("ann", "bob", "cid"))
    take_in_events(lake, tmp_path, [("e1", "cid", "i1", hours(1), 5.0)], name="it was cid")
    assert users_of(lake, "night.target_states") == ["bob"]
    assert users_of(lake, "night.profile_states") == ["bob"]


@pytest.mark.whole
def test_an_items_new_title_takes_away_the_states_of_those_who_met_it_or_are_to_see_it(lake, tmp_path):
    take_in_events(lake, tmp_path, EVENTS)
    take_in_items(lake, tmp_path, {"i2": "Two", "i8": "Eight"})
    write_states(lake, ("ann", "bob"))
    cid = key_of(lake, "cid")
    lake.write(
        lambda c: c.execute(f"INSERT INTO night.profile_states VALUES ({cid},'i8','d','r','n')"), "cid"
    )
    counts = take_in_items(lake, tmp_path, {"i2": "Two, revised", "i8": "Eight, revised"}, name="revised")
    assert counts.accepted == 2
    assert users_of(lake, "night.profile_states") == ["bob"]
    assert ask(lake, "SELECT title FROM superseded_items ORDER BY ALL") == [("Eight",), ("Two",)]


def test_refused_rows_are_kept_with_their_reason_and_the_ledger_adds_up(lake, tmp_path):
    broken = [
        ("e5", "", "i1", hours(1), 1.0),
        ("e6", "ann", "i1", "soon", 1.0),
        ("e7", "ann", "i1", hours(1), "nan"),
    ]
    counts = take_in_events(lake, tmp_path, [*EVENTS, *broken])
    assert (counts.rows_read, counts.accepted, counts.rejected) == (6, 3, 3)
    reasons = ask(lake, "SELECT line, reason FROM rejected_rows ORDER BY line")
    assert [line for line, _ in reasons] == [5, 6, 7]
    assert ask(lake, "SELECT rows_read - accepted - duplicate - rejected FROM ingested_files") == [(0,)]


def test_a_new_delivery_of_lists_stands_for_the_one_before_also_for_users_whom_it_does_not_name(
    lake, tmp_path
):
    take_in_targets(lake, tmp_path, [("ann", "i1", 1), ("ann", "i2", 2), ("bob", "i1", 1)])
    take_in_targets(lake, tmp_path, [("ann", "i3", 1)], name="later")
    found = ask(
        lake, "SELECT user_id, item_id FROM night.targets JOIN keyed.users USING (user_key) ORDER BY ALL"
    )
    assert found == [("ann", "i3")]


events = st.tuples(
    st.sampled_from(["e1", "e2", "e3", "e4"]),
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(["i1", "i2"]),
    st.integers(0, 3).map(hours),
    st.sampled_from([1.0, 2.0]),
)


@pytest.mark.whole
def test_whatever_is_offered_in_whatever_files_each_event_is_there_once_and_each_row_accounted_for(
    lake, tmp_path
):
    examples = itertools.count()

    @settings(max_examples=8)
    @given(files=st.lists(st.lists(events, min_size=1, max_size=6), min_size=1, max_size=4))
    def hold(files):
        # Each example is a source of its own, so that one lake has room for all.
        source = f"example{next(examples)}"
        for number, rows in enumerate(files):
            take_in_events(lake, tmp_path, rows, name=f"{source}-{number}", source=source)
        ids = {event for rows in files for event, *_ in rows}
        of_it = f"WHERE source = '{source}'"
        counts = "count(*), count(DISTINCT interaction_id)"
        assert ask(lake, f"SELECT {counts} FROM interactions {of_it}") == [(len(ids), len(ids))]
        num_rows = sum({tuple(rows): len(rows) for rows in files}.values())
        balance = "sum(rows_read), bool_and(rows_read = accepted + duplicate + rejected), sum(accepted)"
        ((rows_read, adds_up, accepted),) = ask(lake, f"SELECT {balance} FROM ingested_files {of_it}")
        assert (rows_read, adds_up) == (num_rows, True)
        # Whatever was accepted is either what is known now or what a correction superseded.
        ((superseded,),) = ask(lake, f"SELECT count(*) FROM superseded_interactions {of_it}")
        assert accepted == len(ids) + superseded

    hold()


def test_ids_that_start_again_in_each_file_are_told_where_they_replace_others_events(lake, tmp_path):
    first = take_in_events(
        lake, tmp_path, [("0", "a", "i1", hours(1), 1.0), ("1", "b", "i2", hours(2), 1.0)], name="one"
    )
    again = take_in_events(
        lake, tmp_path, [("0", "c", "i3", hours(3), 1.0), ("1", "d", "i1", hours(4), 1.0)], name="two"
    )
    assert first.warnings == ()
    (warning,) = again.warnings
    assert warning.startswith(
        "2 events have the id of an earlier one of another user and item, and take its place, for example "
        "item i3 that of item i1."
    )
    assert "name no event_id, or set `identity`" in warning


@pytest.mark.parametrize("corrected", [("0", "b", "i1"), ("0", "a", "i2"), ("0", "a", "i1")])
def test_a_correction_of_the_user_or_of_the_item_is_no_such_thing(lake, tmp_path, corrected):
    take_in_events(lake, tmp_path, [("0", "a", "i1", hours(1), 1.0)], name="one")
    assert take_in_events(lake, tmp_path, [(*corrected, hours(3), 2.0)], name="two").warnings == ()
