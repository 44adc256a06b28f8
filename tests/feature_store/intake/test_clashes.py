"""Rows that clash are found whatever their order, and told apart value by value."""

import itertools
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from feature_store.intake import clashes
from feature_store.intake.clashes import (
    Replaced,
    check_separable,
    correct,
    find_clashes,
    find_replaced,
)
from feature_store.intake.offers import InseparableError
from feature_store.schemas import INTERACTIONS, ITEMS
from tests.feature_store.logs import ask, hours, render, take_in_events, take_in_items

EVENTS = [
    ("e1", "ann", "i1", hours(1), 5.0),
    ("e2", "ann", "i2", hours(2), 4.0),
    ("e3", "bob", "i1", hours(3), 3.0),
]


def fill(lake, folder):
    take_in_events(lake, folder, EVENTS)
    take_in_items(lake, folder, {"i1": "One", "i2": "Two"})


@pytest.fixture
def lake(filled):
    return filled


def item(item_id, title="One", uri=None, fields='{"title": "One"}'):
    return {"item_id": item_id, "title": title, "fields": fields, "stock_image_uri": uri}


def known_item(lake, item_id):
    columns = ", ".join(ITEMS.stored)
    (row,) = lake.query(f"SELECT {columns} FROM items WHERE item_id = ?", [item_id]).to_pylist()
    return row


def find(lake, *files, table=ITEMS):
    """What clashes of files with these rows, and the connection that knows the relations."""
    connection = lake.cursor()
    fields = [table.arrow_schema.field(name) for name in table.stored]
    schema = pa.schema([*fields, ("line", pa.int64()), ("place", pa.int32())])
    rows = [
        row | {"line": n, "place": place} for place, file in enumerate(files) for n, row in enumerate(file)
    ]
    connection.register("rows", pa.Table.from_pylist(rows, schema=schema))
    found = find_clashes(connection, table, "rows", order="line DESC", num_files=len(files))
    return found, connection


def fresh_rows(lake, rows, table=ITEMS):
    """The rows that are to be written of those that clash."""
    found, connection = find(lake, rows, table=table)
    if not found.num_versions:
        return []
    made = correct(connection, table, found, 0)
    return (
        connection.execute(f"SELECT * EXCLUDE (place, line) FROM {made.fresh}").to_arrow_table().to_pylist()
    )


def numbers(lake, rows, table=ITEMS):
    """How many rows clash, and how many of them are to be written."""
    return find(lake, rows, table=table)[0].num_rows.get(0, 0), len(fresh_rows(lake, rows, table))


def test_rows_whose_keys_nobody_else_has_do_not_clash(lake):
    found, connection = find(lake, [item("new"), item("other", "One")])
    assert (found.num_rows, found.num_versions) == ({}, 0)
    assert connection.execute(f"SELECT count(*) FROM {found.rows}").fetchall() == [(0,)]


def test_a_file_without_rows_clashes_with_nothing(lake):
    assert find(lake, [])[0].num_versions == 0


def titles(connection, found, version):
    """The titles that one version of each key writes, given what the lake holds now."""
    made = correct(connection, ITEMS, found, version)
    return sorted(connection.execute(f"SELECT item_id, title FROM {made.fresh}").fetchall())


def test_what_each_file_says_of_a_key_is_a_version_and_they_follow_each_other_as_the_files_do(lake):
    first = [item("a", "A, first line"), item("a", "A"), item("once"), item("b", "B")]
    found, connection = find(
        lake, first, [item("b", "B again")], [item("i1", "One!"), item("b", "B at last")]
    )
    assert (found.num_rows, found.num_versions) == ({0: 3, 1: 1, 2: 2}, 3)
    assert titles(connection, found, 0) == [("a", "A"), ("b", "B"), ("i1", "One!")]
    assert titles(connection, found, 1) == [("b", "B again")]
    assert titles(connection, found, 2) == [("b", "B at last")]


def test_only_rows_that_one_file_repeats_are_told_as_repeats_with_the_most_repeated_first(lake):
    one = [item(name) for name, times in (("a", 2), ("b", 4), ("c", 3)) for _ in range(times)]
    found, _ = find(lake, [*one, item("once")], [item("a"), item("i1")], [item("d"), item("d")])
    assert found.repeats == {
        0: "6 rows repeat another row's item, of which the last counts, for example item b and item c",
        2: "1 rows repeat another row's item, of which the last counts, for example item d",
    }


def event(interaction_id="new", user_key=1, weight=1.0, item_id="i1", day=1):
    return {
        "source": "event_log", "interaction_id": interaction_id, "user_key": user_key, "item_id": item_id,
        "event_time": datetime(2024, 5, day, tzinfo=UTC), "kind": "event", "weight": weight,
    }  # fmt: skip


def test_repeats_of_events_are_told_with_their_item_and_time_and_what_to_set(lake):
    often = [event(f"e{day}", item_id=item_id, day=day) for item_id in "ab" for day in (2, 3)]
    rows = [event("z", item_id="z", day=9)] * 2 + often * 3 + [event("once", item_id="c")]
    found, _ = find(lake, rows, [event("y", item_id=name) for name in "ba"], table=INTERACTIONS)
    told = "rows repeat another row's identity (set `identity` if they are events of their own)"
    example = "of which the last counts, for example item"
    assert found.repeats == {
        0: f"11 {told}, {example} a at 2024-05-03 00:00:00+00:00 and item a at 2024-05-02 00:00:00+00:00",
        1: f"1 {told}, {example} a at 2024-05-01 00:00:00+00:00",
    }


def test_of_events_repeated_as_often_the_last_items_and_their_last_times_are_examples(lake):
    rows = [event(f"{item}{day}", item_id=item, day=day) for item in "abc" for day in (2, 3, 4)] * 2
    (told,) = find(lake, rows, table=INTERACTIONS)[0].repeats.values()
    assert told.endswith(
        "for example item c at 2024-05-04 00:00:00+00:00 and item c at 2024-05-03 00:00:00+00:00"
    )
    at_once = [row for row in rows if row["event_time"].day == 2]
    (told,) = find(lake, at_once, table=INTERACTIONS)[0].repeats.values()
    assert told.endswith(
        "for example item c at 2024-05-02 00:00:00+00:00 and item b at 2024-05-02 00:00:00+00:00"
    )


def replaced(lake, *files, table=INTERACTIONS):
    found, connection = find(lake, *files, table=table)
    rows = find_replaced(connection, table, correct(connection, table, found, 0))
    return {place: found.told for place, found in rows.items()}


def test_events_that_take_the_place_of_others_of_another_user_and_item_are_told_with_one_of_them(lake):
    users = dict(ask(lake, "SELECT interaction_id, user_key FROM interactions"))
    other = max(users.values()) + 1
    assert replaced(lake, [event("e1", users["e1"], item_id="i9"), event("e2", other, item_id="i2")]) == {}
    elsewhere = event("e1", other, item_id="i9") | {"source": "shop"}
    assert replaced(lake, [event("new", other), elsewhere, event("e2", users["e2"], item_id="i5")]) == {}
    told = (
        "{} events have the id of an earlier one of another user and item, and take its place, for example "
    )
    told += (
        "item {} that of item {}. If they are events of their own, as where each file counts from 0, name "
    )
    told += "no event_id, or set `identity`"
    first = [event(name, other, item_id=item) for name, item in (("e3", "i7"), ("e1", "i8"), ("new", "i6"))]
    second = [event("e2", other, item_id="i5")]
    assert replaced(lake, first, second) == {0: told.format(2, "i8", "i1"), 1: told.format(1, "i5", "i2")}


def test_what_versions_of_a_file_replace_is_told_together_with_the_first_of_them():
    some, more = Replaced(2, ("e7", "i1", "i2")), Replaced(1, ("e5", "i3", "i4"))
    assert some + more == more + some == Replaced(3, ("e5", "i3", "i4"))


def test_items_take_nobodys_place(lake):
    assert replaced(lake, [item("i1", "Another")], table=ITEMS) == {}


@pytest.mark.parametrize(
    ("weights", "versions"), [((1, 1), 1), ((1, 2), 2), ((1, 2, 2), 2), ((1, 2, 1), 3), ((1, 1, 2), 2)]
)
def test_an_event_that_only_repeats_what_the_file_before_said_is_no_version(lake, weights, versions):
    found, connection = find(lake, *([event(weight=weight)] for weight in weights), table=INTERACTIONS)
    assert found.num_versions == versions
    kept = connection.execute(f"SELECT weight FROM {found.versions} ORDER BY version").fetchall()
    assert kept == [(weight,) for weight, _ in itertools.groupby(weights)]


def test_events_that_a_later_file_gives_to_another_user_and_a_third_corrects_must_be_taken_in_one_by_one(
    lake,
):
    (known,) = lake.query("SELECT user_key FROM interactions WHERE interaction_id = 'e1'").to_pylist()
    moved = event("e1", known["user_key"] + 1)

    def check(*files):
        found, connection = find(lake, *files, table=INTERACTIONS)
        check_separable(
            connection, INTERACTIONS, found, correct(connection, INTERACTIONS, found, 0), version=0
        )

    check([moved])
    check([moved], [event("e2")])
    check([event("e1", known["user_key"], 2.0)], [moved])
    check([moved, event()], [event(weight=2.0)])
    with pytest.raises(InseparableError, match="given to another user, and corrected again"):
        check([moved], [event("e1", known["user_key"])])
    found, connection = find(lake, [item("i1", "A")], [item("i1", "B")])
    check_separable(connection, ITEMS, found, correct(connection, ITEMS, found, 0), version=0)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_of_rows_with_one_key_the_last_counts(lake, order):
    rows = [item("new", "A"), item("new", "B", "b.png"), item("new", "B", "a.png")]
    assert fresh_rows(lake, [rows[place] for place in order]) == [rows[order[-1]]]


def test_what_the_lake_holds_word_for_word_clashes_and_is_not_written_again(lake):
    known = known_item(lake, "i1")
    assert known["stock_image_uri"] is None
    assert numbers(lake, [known, known, known_item(lake, "i2"), item("new")]) == (3, 0)


def test_a_row_is_compared_with_those_of_its_key_alone(lake):
    found, connection = find(lake, [item("i2", "Another")])
    made = correct(connection, ITEMS, found, 0)
    assert connection.execute(f"SELECT item_id FROM {made.known}").fetchall() == [("i2",)]


@pytest.mark.parametrize("column", ["title", "fields", "stock_image_uri"])
def test_a_row_with_another_value_is_a_correction_even_where_nothing_was_known_before(lake, column):
    corrected = known_item(lake, "i1") | {column: "another"}
    rows = [known_item(lake, "i2"), corrected, item("new"), item("new")]
    assert numbers(lake, rows) == (4, 2)
    found, connection = find(lake, rows)
    made = correct(connection, ITEMS, found, 0)
    assert connection.execute(f"SELECT item_id FROM {made.known} ORDER BY 1").fetchall() == [
        ("i1",),
        ("i2",),
    ]


def test_a_value_that_is_taken_back_is_a_correction(lake):
    lake.write(
        lambda c: c.execute("UPDATE items SET stock_image_uri = 'x' WHERE item_id = 'i1'"), "a picture"
    )
    corrected = known_item(lake, "i1") | {"stock_image_uri": None}
    assert fresh_rows(lake, [corrected]) == [corrected]


@pytest.mark.parametrize("in_a_batch", [1, 2, 1000])
@pytest.mark.parametrize("at_once", [1, 3, 10, 1000])
def test_keys_compared_in_parts_clash_as_those_compared_at_once(lake, monkeypatch, at_once, in_a_batch):
    monkeypatch.setattr(clashes, "HASHES_AT_ONCE", at_once)
    monkeypatch.setattr(clashes, "HASHES_IN_A_BATCH", in_a_batch)
    twice = [item(f"t{number}") for number in range(20)]
    rows = [*twice, *twice, *(item(f"once{number}") for number in range(20)), known_item(lake, "i2")]
    assert numbers(lake, rows) == (41, 20)
    found, connection = find(lake, rows)
    ids = connection.execute(f"SELECT item_id FROM {found.rows} ORDER BY ALL").fetchall()
    assert [item_id for (item_id,) in ids] == sorted(["i2", *(row["item_id"] for row in twice * 2)])


def test_a_key_is_all_its_columns(lake):
    assert find(lake, [event("e1") | {"source": "shop"}], table=INTERACTIONS)[0].num_rows == {}
    assert find(lake, [event("e1")], table=INTERACTIONS)[0].num_rows == {0: 1}


def test_what_was_made_of_an_item_goes_with_its_correction_and_stays_with_the_others(lake, tmp_path):
    render(lake)
    take_in_items(lake, tmp_path, {"i1": "One, revised", "i2": "Two", "i3": "Three"}, name="revised")
    texts = ask(lake, "SELECT item_id, title, target_text, reference_id IS NULL FROM items ORDER BY ALL")
    assert texts == [
        ("i1", "One, revised", None, True), ("i2", "Two", "Two poster", False), ("i3", "Three", None, True)
    ]  # fmt: skip


def test_a_correction_says_where_it_came_from_and_what_it_replaced_is_kept_with_the_time(lake, tmp_path):
    take_in_items(lake, tmp_path, {"i1": "One, revised", "i2": "Two"}, name="revised")
    ((ingested_at, run_id),) = ask(lake, "SELECT ingested_at, run_id FROM items WHERE item_id = 'i1'")
    assert ask(lake, "SELECT item_id, title, superseded_at FROM superseded_items") == [
        ("i1", "One", ingested_at)
    ]
    ledger = "SELECT run_id FROM ingested_files WHERE table_name = 'items' ORDER BY ingested_at DESC LIMIT 1"
    assert ask(lake, ledger) == [(run_id,)]


def test_an_event_that_a_correction_gives_to_another_user_loses_its_name_and_others_keep_theirs(
    lake, tmp_path
):
    moved = [
        ("e1", "bob", "i1", hours(1), 5.0),
        ("e2", "ann", "i2", hours(2), 1.0),
        ("e4", "bob", "i1", hours(4), 1.0),
    ]
    assert take_in_events(lake, tmp_path, moved, name="moved").accepted == 3
    before = "SELECT interaction_id, weight FROM superseded_interactions ORDER BY ALL"
    assert ask(lake, before) == [("e1", 5.0), ("e2", 4.0)]
    names = dict(ask(lake, "SELECT md5(interaction_id), interaction_id FROM interactions"))
    ((digest,),) = ask(lake, "SELECT md5('e1')")
    assert sorted(names.values()) == sorted([f"##{digest}", "e2", "e3", "e4"])
    # The source still calls it by its own name, and it is the same event.
    assert take_in_events(lake, tmp_path, [moved[0], EVENTS[2]], name="again").accepted == 0
    back = [("e1", "ann", "i1", hours(1), 5.0)]
    assert take_in_events(lake, tmp_path, back, name="back").accepted == 1
    whose = "SELECT user_id, interaction_id FROM interactions WHERE item_id = 'i1' ORDER BY ALL"
    assert ask(lake, whose) == [
        ("ann", f"##{digest}"), ("bob", "e3"), ("bob", "e4")
    ]  # fmt: skip


def test_another_sources_event_of_the_same_id_keeps_it(lake, tmp_path):
    take_in_events(lake, tmp_path, [("e1", "bob", "i1", hours(1), 5.0)], name="moved")
    take_in_events(lake, tmp_path, [("e1", "ann", "i2", hours(5), 1.0)], name="other", source="shop")
    assert ask(lake, "SELECT interaction_id FROM interactions WHERE source = 'shop'") == [("e1",)]
