"""A log that is delivered again does not bring a forgotten user back; the user's own return does."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from feature_store.history.opt_outs import has_opted_out, opt_in, opt_out
from feature_store.intake.file_batches import FileIntake
from feature_store.intake.forgotten_records import find_returned, leave_out, list_named
from feature_store.intake.known_files import Known
from feature_store.lake.relations import keep
from feature_store.schemas import INTERACTIONS, ITEMS, TARGET_LISTS
from feature_store.tables.runs import open_run
from feature_store.tables.suppressions import NAMELESS, lift, without_forgotten
from feature_store.tables.users import find_key, look_up_key
from feature_store.upkeep.checks import check_tables
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.maintenance import purge_lake
from recsys_adapters.sources.prompt_histories import PromptHistories
from tests.feature_store.logs import (
    EVENT_COLUMNS,
    ask,
    hours,
    offer,
    take_in_events,
    take_in_items,
    take_in_targets,
    take_in_together,
    write_csv,
)

pytestmark = pytest.mark.whole

LEAVER, STAYER = "leaver-4711", "stayer"
OLD = [
    ("e1", LEAVER, "i1", hours(1), 5.0),
    ("e2", STAYER, "i1", hours(2), 4.0),
    ("bad", LEAVER, "i1", "never", 4.0),
    ("nobodys", "", f"met {LEAVER}", hours(3), 4.0),
]


@pytest.fixture
def left(lake, tmp_path):
    """A lake that a user was erased from, who had opted out before."""
    take_in_items(lake, tmp_path, {"i1": "One", "i2": "Two"})
    take_in_events(lake, tmp_path, OLD, name="log")
    opt_out(lake, LEAVER)
    erase_user(lake, find_key(lake, LEAVER))
    purge_lake(lake)
    return lake


def bytes_of(lake):
    return b"".join(path.read_bytes() for path in lake.folder.rglob("*") if path.is_file())


def soon():
    """A time of after the erasure that no log may hold yet, but the tests' clock allows."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def test_the_same_log_with_another_line_brings_nobody_back_and_counts_them_as_if_they_had_never_been_there(
    left, tmp_path
):
    again = take_in_events(left, tmp_path, [*OLD, ("e3", STAYER, "i2", hours(4), 1.0)], name=LEAVER)
    assert (again.rows_read, again.accepted, again.duplicate, again.rejected) == (3, 1, 1, 1)
    assert look_up_key(left, LEAVER) is None
    assert again.file == f"{NAMELESS}.csv"
    assert LEAVER.encode() not in bytes_of(left)
    assert [finding.promise for finding in check_tables(left) if finding.num_offenders] == []


def test_an_event_of_after_the_erasure_brings_the_user_back_with_their_opt_out_and_without_their_past(
    left, tmp_path
):
    again = take_in_events(left, tmp_path, [*OLD, ("new", LEAVER, "i2", soon(), 1.0)], name="again")
    key = find_key(left, LEAVER)
    assert ask(left, "SELECT item_id FROM interactions WHERE user_id = ?", LEAVER) == [("i2",)]
    assert has_opted_out(left, key)
    assert again.accepted == 1
    opt_in(left, LEAVER)
    newcomer = ("fresh", "fresh", "i1", hours(5), 1.0)
    take_in_events(left, tmp_path, [*OLD, ("newer", LEAVER, "i1", soon(), 1.0), newcomer], name="once more")
    assert not has_opted_out(left, key)
    assert ask(left, "SELECT count(*) FROM interactions WHERE user_id = ?", LEAVER) == [(2,)]


def test_who_had_not_opted_out_comes_back_without_an_opt_out(left, tmp_path):
    erase_user(left, find_key(left, STAYER))
    back = [("new", STAYER, "i2", soon(), 1.0), ("newer", LEAVER, "i2", soon(), 1.0)]
    take_in_events(left, tmp_path, back, name="again")
    assert [has_opted_out(left, find_key(left, user)) for user in (STAYER, LEAVER)] == [False, True]


def test_a_file_that_names_who_is_back_is_named_after_them_again(left, tmp_path):
    returned = [*OLD, ("new", LEAVER, "i2", soon(), 1.0)]
    assert take_in_events(left, tmp_path, returned, name=LEAVER).file != f"{NAMELESS}.csv"


def test_only_files_that_name_who_left_lose_the_text_of_records_that_are_nobodys(left, tmp_path):
    write_csv(tmp_path / "new" / "a.csv", EVENT_COLUMNS, [("n1", "", "met somebody", hours(5), 1.0)])
    write_csv(tmp_path / "new" / "b.csv", EVENT_COLUMNS, [("", "", "", "", 2), *OLD[:2]])
    write_csv(
        tmp_path / "new" / "c.csv",
        EVENT_COLUMNS,
        [("n2", STAYER, "i1", hours(5), 1.0), ("n3", "", "", "", 1)],
    )
    assert len(take_in_together(left, tmp_path / "new")) == 3
    kept = ask(left, "SELECT file, raw IS NOT NULL FROM rejected_rows WHERE file <> 'log.csv'")
    assert sorted(kept) == [("a.csv", True), ("b.csv", False), ("c.csv", True)]


def test_who_is_back_and_in_two_files_at_once_has_each_event_once(left, tmp_path):
    take_in_events(left, tmp_path, [("new", LEAVER, "i1", soon(), 1.0)], name="return")
    for name, item in (("a", "i1"), ("b", "i2")):
        event = (f"new {name}", LEAVER, item, soon(), 1.0)
        write_csv(tmp_path / "new" / f"{name}.csv", EVENT_COLUMNS, [event, event[:3] + (hours(4), 1.0)])
    made = take_in_together(left, tmp_path / "new")
    assert [(one.rows_read, one.accepted, one.duplicate) for one in made] == [(1, 1, 0)] * 2
    assert ask(left, "SELECT item_id FROM interactions WHERE user_id = ? ORDER BY ALL", LEAVER) == [
        ("i1",), ("i1",), ("i2",)
    ]  # fmt: skip


def test_an_event_of_the_very_moment_of_the_erasure_brings_the_user_back(left, tmp_path):
    ((erased_at,),) = ask(left, "SELECT erased_at FROM suppressions")
    take_in_events(left, tmp_path, [*OLD, ("new", LEAVER, "i2", erased_at.isoformat(), 1.0)], name="again")
    assert ask(left, "SELECT item_id FROM interactions WHERE user_id = ?", LEAVER) == [("i2",)]


def test_catalogues_named_after_who_left_are_known_though_their_names_are_not(lake, tmp_path):
    def take_in():
        """Which files of items are read, and how many rows of them."""
        offers = [offer(file) for file in PromptHistories(path=tmp_path / "prompts").files()]
        intake, known = FileIntake(lake=lake, run=open_run(lake)), {one.offering for one in offers}
        for _ in intake.append_logs(offers[3:], offering=known):
            pass
        taken = intake.append_catalogues(offers[:3], offering=known)
        return {one.file.name: made.accepted for one, made in taken if not isinstance(made, Known)}

    for user in ("leaver", "other", "stayer"):
        prompt = {"prompt": f"{user}'s harbour", "user_id": user, "id": f"{user}-1"}
        (tmp_path / "prompts").mkdir(exist_ok=True)
        (tmp_path / "prompts" / f"{user}.jsonl").write_text(json.dumps(prompt))
    assert take_in() == {"leaver.jsonl": 1, "other.jsonl": 1, "stayer.jsonl": 1}
    for user in ("leaver", "other"):
        erase_user(lake, find_key(lake, user))
    assert take_in() == {"leaver.jsonl": 0, "other.jsonl": 0}
    assert take_in() == {}
    assert ask(lake, "SELECT count(*) FROM ingested_files WHERE file = ?", f"{NAMELESS}.jsonl") == [(2,)]


RECORDS = f"""
    SELECT place, nullif(user_id, '') AS user_id, item_id, reason, raw, now() + to_hours(hours) AS event_time
    FROM (VALUES
        (0, '{LEAVER}', 'i1', NULL, NULL, -99), (0, '{STAYER}', 'i2', NULL, NULL, -99),
        (1, '{LEAVER}', 'i3', NULL, NULL, 1), (1, '{LEAVER}', 'i4', NULL, NULL, 2),
        (1, '', '', 'bad', 'b', 1),
        (2, '{STAYER}', 'i5', NULL, NULL, 1), (2, '', '', 'bad', 'c', 1),
        (3, '{LEAVER}', '', 'bad', 'd', 1), (3, '', '', 'bad', 'e', 1)
    ) AS record(place, user_id, item_id, reason, raw, hours)
"""
"""What four files hold: the leaver is in all but one."""


def named_in_records(lake, where="true"):
    connection = lake.cursor()
    records = keep(connection, "read_records", f"FROM ({RECORDS}) WHERE {where}")
    return connection, f"FROM {records}", list_named(connection, f"SELECT place, user_id FROM {records}")


def test_who_comes_back_is_told_once_and_not_of_lists_nor_of_records_that_are_refused(left):
    connection, records, named = named_in_records(left)
    assert find_returned(connection, TARGET_LISTS, records, named) == 0
    assert find_returned(connection, ITEMS, records, named) == 0
    assert find_returned(connection, INTERACTIONS, f"{records} WHERE place <> 1", named) == 0
    assert find_returned(connection, INTERACTIONS, records, named) == 1
    assert find_returned(connection, INTERACTIONS, records, named) == 0


def kept_records(left, table, where="true"):
    connection, records, named = named_in_records(left, where)
    kept = leave_out(table, f"({records})", named)
    return connection.execute(f"SELECT place, item_id, raw FROM ({kept}) ORDER BY ALL").fetchall()


def test_of_a_file_with_a_forgotten_user_the_others_records_stay_and_nobodys_lose_their_text(left):
    stay = [(0, "i2", None), (1, "", None), (2, "", "c"), (2, "i5", None), (3, "", None)]
    assert kept_records(left, TARGET_LISTS) == kept_records(left, INTERACTIONS) == stay


def test_of_who_is_back_what_is_refused_is_kept_whether_it_has_a_time_or_not(left):
    connection, records, named = named_in_records(left, "place IN (1, 3)")
    find_returned(connection, INTERACTIONS, records, named)
    timeless = f"(SELECT * REPLACE (CASE WHEN reason IS NULL THEN event_time END AS event_time) {records})"
    kept = leave_out(INTERACTIONS, timeless, named)
    texts = connection.execute(f"SELECT raw FROM ({kept}) WHERE user_id IS NOT NULL ORDER BY ALL").fetchall()
    assert texts == [("d",), (None,), (None,)]


def test_items_stay_unless_all_whom_their_file_names_were_forgotten(left):
    stay = [(0, "i1", None), (0, "i2", None), (2, "", "c"), (2, "i5", None)]
    assert kept_records(left, ITEMS, "place IN (0, 2) OR user_id IS NOT NULL") == stay


def test_a_list_of_targets_does_not_bring_them_back(left, tmp_path):
    take_in_targets(left, tmp_path, [(LEAVER, "i1", 1), (STAYER, "i1", 1)])
    assert look_up_key(left, LEAVER) is None
    assert ask(left, "SELECT user_id FROM target_lists") == [(STAYER,)]


def test_a_suppression_that_is_lifted_lets_the_log_count_again(left, tmp_path):
    assert lift(left, LEAVER)
    assert not lift(left, LEAVER)
    assert not lift(left, "somebody else")
    take_in_events(left, tmp_path, [*OLD, ("e3", STAYER, "i2", hours(4), 1.0)], name="again")
    assert ask(left, "SELECT item_id FROM interactions WHERE user_id = ?", LEAVER) == [("i1",)]


def test_what_is_said_of_a_file_named_after_them_does_not_name_them(left):
    assert without_forgotten(left, f"{LEAVER}.csv has no column x") == f"{NAMELESS}.csv has no column x"
    assert without_forgotten(left, f"logs/{LEAVER}/{STAYER}.csv") == f"logs/{NAMELESS}/{STAYER}.csv"
    assert without_forgotten(left, f"user={LEAVER}/p.csv is cut") == f"user={NAMELESS}/p.csv is cut"
    assert without_forgotten(left, "user=leaver%2D4711/p.csv") == f"user={NAMELESS}/p.csv"


def test_digests_of_one_id_differ_from_lake_to_lake(left, tmp_path, empty_lake):
    from feature_store.lake.lake import Lake

    (digest,) = ask(left, "SELECT user_digest, salt FROM suppressions")
    other = Lake(tmp_path / "other")
    take_in_events(other, tmp_path, OLD, name="other")
    erase_user(other, find_key(other, LEAVER))
    assert ask(other, "SELECT user_digest, salt FROM suppressions") != [digest]
    other.close()
