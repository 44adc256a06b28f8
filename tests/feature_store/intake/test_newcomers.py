"""Users without keys are met on the way where most have some, and it is as if they had been listed."""

import random
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import duckdb
import pytest

from feature_store.history.opt_outs import has_opted_out, opt_out
from feature_store.intake import newcomers, staged_batches
from feature_store.intake.file_batches import FileIntake
from feature_store.intake.newcomers import Newcomers, are_mostly_known
from feature_store.lake.lake import Lake
from feature_store.schemas import USERS
from feature_store.tables.runs import open_run
from feature_store.tables.users import find_key, give_keys, look_up_key
from feature_store.upkeep.checks import check_tables
from feature_store.upkeep.erasure import erase_user
from recsys_adapters.sources.event_log import EventLog
from tests.feature_store.logs import (
    EVENT_COLUMNS,
    ask,
    hours,
    key_of,
    offer,
    take_in_events,
    take_in_targets,
    write_csv,
)
from tests.marks import some_of

KNOWN = [(f"k{number}", "ann", "i1", hours(number), 1.0) for number in range(9)]
NEW = ("n1", "bob", "i2", hours(20), 1.0)
SEEN = {
    "interactions": "interaction_id, user_id, item_id, event_time, weight",
    "rejected_rows": "line, reason, raw, user_id",
    "ingested_files": "file, rows_read, accepted, duplicate, rejected, user_id",
}
"""What is to be the same, by table."""
REFUSED = ("r1", "cem", "i2", "never", 1.0)


@pytest.fixture(params=["met", "listed"])
def way(request, monkeypatch):
    """Every test twice: users are met while records stream by, or listed first."""
    go(request.param, monkeypatch)
    return request.param


def go(way, monkeypatch):
    """Let users be met, or listed."""
    monkeypatch.setattr(staged_batches, "are_mostly_known", lambda *_: way == "met")


@pytest.fixture
def listed(monkeypatch):
    """How often users were listed after all."""
    times = []
    list_users = staged_batches._Reading.list_users_first

    def list_and_note(self, *arguments):
        times.append(self)
        return list_users(self, *arguments)

    monkeypatch.setattr(staged_batches._Reading, "list_users_first", list_and_note)
    return times


def users(lake):
    return ask(lake, f"SELECT user_id FROM {USERS.qualified_name} ORDER BY ALL")


def test_users_are_met_where_most_records_are_of_users_who_have_keys(lake, tmp_path, listed):
    take_in_events(lake, tmp_path, KNOWN)
    assert len(listed) == 1
    counts = take_in_events(lake, tmp_path, [*KNOWN, NEW, REFUSED, ("r2", *REFUSED[1:])], name="more")
    assert (counts.accepted, counts.duplicate, counts.rejected) == (1, 9, 2)
    assert len(listed) == 1
    assert users(lake) == [("ann",), ("bob",), ("cem",)]
    assert ask(lake, "SELECT user_id FROM interactions WHERE item_id = 'i2'") == [("bob",)]
    assert ask(lake, "SELECT user_id FROM rejected_rows") == [("cem",), ("cem",)]


def test_users_of_targets_are_met_too(lake, tmp_path, listed):
    key_of(lake, "ann")
    take_in_targets(
        lake, tmp_path, [*(("ann", f"i{number}", number) for number in range(5)), ("bob", "i1", 1)]
    )
    assert not listed
    assert ask(lake, "SELECT user_id, count(*) FROM target_lists GROUP BY ALL ORDER BY ALL") == [
        ("ann", 5),
        ("bob", 1),
    ]


@pytest.mark.parametrize(
    ("named", "is_so"),
    [
        ("ann ann ann bob", True),
        ("ann ann bob bob", False),
        ("ann ann ann ann bob bob bob bob", True),
        ("bob bob bob bob ann ann ann ann", False),
        ("ann", True),
        ("bob", False),
        ("", False),
    ],
)
def test_the_first_records_tell_whether_most_are_known(lake, monkeypatch, named, is_so):
    monkeypatch.setattr(newcomers, "NUM_PROBED", 4)
    key_of(lake, "ann")
    rows = ", ".join(f"({number}, '{user}')" for number, user in enumerate(["", *named.split()]))
    users = f"SELECT user_id FROM (VALUES {rows}) AS named(number, user_id) WHERE number > 0"
    assert are_mostly_known(lake.cursor(), users) is is_so


def test_a_newcomer_has_one_key_which_is_random(lake, tmp_path, way):
    log = [(f"e{number}", f"u{number % 3}", "i1", hours(number), 1.0) for number in range(12)]
    others = Lake(tmp_path / "others")
    for some in (lake, others):
        take_in_events(some, tmp_path, [*log, REFUSED], name=some.folder.name)
        assert ask(some, "SELECT user_id, count(*) FROM interactions GROUP BY ALL ORDER BY ALL") == [
            ("u0", 4),
            ("u1", 4),
            ("u2", 4),
        ]
    assert find_key(lake, "u0") != find_key(others, "u0")
    assert min(find_key(lake, user) for user in ("u0", "u1", "u2", "cem")) >= 0
    others.close()


def test_a_user_to_whom_another_writer_gives_a_key_meanwhile_keeps_that(lake, tmp_path, listed, monkeypatch):
    take_in_events(lake, tmp_path, KNOWN)
    can_stay = Newcomers.can_stay

    def come_in_between(self, *arguments):
        lake.write(lambda connection: give_keys(connection, "SELECT 'bob' AS user_id"), "another's")
        given.append(find_key(lake, "bob"))
        return can_stay(self, *arguments)

    given = []
    monkeypatch.setattr(Newcomers, "can_stay", come_in_between)
    assert take_in_events(lake, tmp_path, [*KNOWN, NEW], name="more").accepted == 1
    assert (len(given), len(listed)) == (1, 2)
    assert ask(lake, "SELECT user_key FROM keyed.interactions WHERE item_id = 'i2'") == [(given[0],)]
    assert users(lake) == [("ann",), ("bob",)]


@pytest.mark.parametrize(("most", "num_listed"), [(1, 1), (2, 1), (3, 0)])
def test_more_newcomers_than_are_kept_in_memory_are_listed(
    lake, tmp_path, listed, monkeypatch, most, num_listed
):
    monkeypatch.setattr(newcomers, "MOST_NEWCOMERS", most)
    go("met", monkeypatch)
    assert take_in_events(lake, tmp_path, [*KNOWN, NEW]).accepted == 10
    assert len(listed) == num_listed
    assert users(lake) == [("ann",), ("bob",)]
    assert ask(lake, "SELECT count(*) FROM interactions WHERE user_id IS NULL") == [(0,)]


def test_a_log_without_newcomers_writes_no_users(lake, tmp_path, listed):
    take_in_events(lake, tmp_path, KNOWN)
    refused = ("bad", "ann", "i1", "never", 1.0)
    take_in_events(lake, tmp_path, [*KNOWN, ("other", "ann", "i1", hours(9), 1.0), refused], name="more")
    assert len(listed) == 1
    snapshots = "SELECT count(*) FROM lake.snapshots() WHERE commit_message = 'new users'"
    assert ask(lake, snapshots) == [(1,)]


def test_a_user_of_whom_there_are_refused_records_alone_has_a_key(lake, tmp_path, listed):
    take_in_events(lake, tmp_path, KNOWN)
    take_in_events(lake, tmp_path, [*KNOWN, REFUSED], name="more")
    assert len(listed) == 1
    assert users(lake) == [("ann",), ("cem",)]
    assert ask(lake, "SELECT user_id FROM rejected_rows") == [("cem",)]


def test_what_meets_users_goes_with_a_file_that_cannot_be_read(lake, tmp_path, monkeypatch):
    go("met", monkeypatch)
    closed = []
    monkeypatch.setattr(Newcomers, "close", lambda self, close=Newcomers.close: closed.append(close(self)))
    monkeypatch.setattr(staged_batches, "name_files", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        take_in_events(lake, tmp_path, KNOWN)
    assert len(closed) == 1
    assert not list(lake.spill.rglob("*.parquet"))
    connection = lake.cursor()
    given = Newcomers(connection)
    rows = SimpleNamespace(rows=f"(SELECT 0 AS place, {key_of(lake, 'ann')} AS user_key)", refused="nobody")
    connection.execute("CREATE TEMP TABLE nobody AS SELECT 0 AS place, 'x' AS user_id LIMIT 0")
    key, named = "SELECT " + given.key_sql("NULL", "'bob'"), given.named(rows)
    assert connection.execute(key).fetchall() != [(None,)]
    assert connection.execute(f"FROM {named}").fetchall() == [(0, "ann")]
    given.close()
    for gone in (key, f"FROM {named}"):
        with pytest.raises(duckdb.CatalogException, match="does not exist"):
            connection.execute(gone)


def test_a_file_named_after_a_newcomer_is_named_after_the_key(lake, tmp_path, way):
    assert take_in_events(lake, tmp_path, [*KNOWN, NEW], name="bob").file == f"{find_key(lake, 'bob')}.csv"
    only = take_in_events(lake, tmp_path, [("r2", *REFUSED[1:])], name="cem")
    assert only.file == f"{find_key(lake, 'cem')}.csv"
    owners = ask(lake, "SELECT file, user_key FROM keyed.ingested_files ORDER BY ingested_at")
    assert [key for _, key in owners] == [None, find_key(lake, "cem")]


@pytest.fixture
def left(lake, tmp_path):
    """A lake that bob was erased from, who had opted out."""
    take_in_events(lake, tmp_path, [*KNOWN, NEW], name="first")
    opt_out(lake, "bob")
    erase_user(lake, find_key(lake, "bob"))
    return lake


def test_a_log_of_before_brings_nobody_back_who_was_forgotten(left, tmp_path, way, listed):
    another = ("other", "ann", "i1", hours(9), 1.0)
    counts = take_in_events(left, tmp_path, [*KNOWN, NEW, another], name="again")
    assert (counts.rows_read, counts.accepted, counts.duplicate) == (10, 1, 9)
    assert look_up_key(left, "bob") is None
    assert len(listed) == 1
    assert [finding.promise for finding in check_tables(left) if finding.num_offenders] == []


def test_who_comes_back_comes_without_their_past(left, tmp_path, way):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for name in ("again", "once more"):
        take_in_events(left, tmp_path, [*KNOWN, NEW, (name, "bob", "i3", soon, 1.0)], name=name)
        assert ask(left, "SELECT DISTINCT item_id FROM interactions WHERE user_id = 'bob'") == [("i3",)]
    assert has_opted_out(left, find_key(left, "bob"))


def test_where_others_were_forgotten_users_are_still_met(left, tmp_path, listed):
    take_in_events(left, tmp_path, [*KNOWN, ("n2", "dan", "i3", hours(21), 1.0)], name="others")
    assert not listed
    assert find_key(left, "dan")


def random_log(chance):
    """Events of users who may have keys, of whom some are refused, some twice and some corrected."""
    for _ in range(40):
        number = chance.randrange(60)
        user = chance.choice(["ann", "bob", f"u{chance.randrange(8)}", ""])
        at = "never" if chance.random() < 0.2 else hours(number)
        yield f"e{number}", user, f"i{chance.randrange(3)}", at, chance.choice([1.0, 2.0])


@pytest.mark.parametrize("seed", some_of(range(12), 0))
def test_users_who_are_met_have_what_they_have_when_listed(empty_lake, tmp_path, monkeypatch, seed):
    """Three nights of several files, of which some are named after users, and of which some are forgotten."""
    seen = []
    for way in ("met", "listed"):
        chance, folder = random.Random(seed), tmp_path / way
        lake = Lake(shutil.copytree(empty_lake, folder / "lake"))
        go(way, monkeypatch)
        seen.append([look_around(lake, folder, chance, night) for night in range(3)])
        lake.close()
    assert seen[0] == seen[1]


def look_around(lake, folder, chance, night):
    """Take some files in, and tell what the lake knows then, but for keys and times."""
    logs = folder / f"log{night}"
    for name in chance.sample(["u1", "a", "b", "c"], chance.randint(1, 4)):
        write_csv(logs / f"{name}.csv", EVENT_COLUMNS, random_log(chance))
    columns = {"user_id": "user", "item_id": "item", "event_time": "time", "weight": "weight"}
    log = EventLog(path=logs, columns=columns | {"event_id": "event"}, time_format="iso8601")
    intake = FileIntake(lake=lake, run=open_run(lake))
    outcomes = [outcome for _, outcome in intake.append_logs([offer(file) for file in log.files()])]
    if night == 1 and look_up_key(lake, "u2"):
        erase_user(lake, find_key(lake, "u2"))
    named = dict(ask(lake, f"SELECT user_key::VARCHAR, user_id FROM {USERS.qualified_name}"))
    rows = {
        relation: ask(lake, f"SELECT {columns} FROM {relation} ORDER BY ALL")
        for relation, columns in SEEN.items()
    }
    files = [(named.get(file.removesuffix(".csv"), file), *rest) for file, *rest in rows["ingested_files"]]
    counts = [(one.rows_read, one.accepted, one.duplicate, one.rejected) for one in outcomes]
    return counts, sorted(named.values()), rows | {"ingested_files": sorted(files)}
