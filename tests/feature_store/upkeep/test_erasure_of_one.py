"""Erasing one of many: nobody else's rows change, whatever the ids look like, and the log still matches."""

import random
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.lake.lake import Lake
from feature_store.schemas import SUPPRESSIONS, TABLES
from feature_store.tables.users import UnknownUserError, find_key, look_up_key
from feature_store.upkeep.checks import check_tables
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.maintenance import purge_lake
from tests.feature_store.logs import ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night

USERS = ("1", "11", "111", "a1", "ann", "anna", "an n", "o'ann", "Жанна", "安", "user_id", "event", '"q"')
"""Numbers, words of the log, parts of one another, quotes, other scripts."""
EVENTS = [
    (f"{user}:{item}:1", user, item, hours(place), 1.0 + place)
    for place, user in enumerate(USERS)
    for item in ("shared", "rare1" if user == "1" else "other")
]
REFUSED = [(f"{user}:bad", user, "shared", "never", 1.0) for user in USERS]


@pytest.fixture
def published(lake, tmp_path):
    take_in_items(lake, tmp_path, {"shared": "Shared", "other": "Other", "rare1": "Rare", "goal": "Goal"})
    take_in_events(lake, tmp_path, [*EVENTS, *REFUSED], name="1")
    take_in_events(lake, tmp_path, [("ann:other:1", "ann", "rare1", hours(1), 9.0)], name="correction")
    take_in_targets(lake, tmp_path, [(user, "goal", 1) for user in USERS])
    finish_night(lake, tmp_path)
    return lake


def rows_of_others(lake, key):
    """All rows of all tables but one user's, with what no erasure may change."""
    tables = [table for table in TABLES if table is not SUPPRESSIONS]
    shown = {table.qualified_name: table.has_users for table in tables} | {"targets": True, "artworks": True}
    counted = {"keyed.ingested_files": " EXCLUDE (rows_read, accepted)"}
    return {
        name: ask(
            lake,
            f"SELECT *{counted.get(name, '')} FROM {name} "
            f"WHERE {f'user_key <> {key}' if has_users else 'true'} ORDER BY ALL",
        )
        for name, has_users in shown.items()
    }


@pytest.mark.whole
@pytest.mark.parametrize("leaver", ["1", "ann", "o'ann", "Жанна"])
def test_nobody_elses_rows_change_and_the_log_still_matches(published, tmp_path, leaver):
    key = find_key(published, leaver)
    before = rows_of_others(published, key)
    erase_user(published, key)
    purge_lake(published)
    assert rows_of_others(published, key) == before
    assert ask(published, "SELECT count(*) FROM interactions WHERE user_id IS NULL") == [(0,)]
    more = [*EVENTS, *REFUSED, ("new", "anna", "other", hours(5), 1.0)]
    again = take_in_events(published, tmp_path, more, name="again")
    corrected_back = 0 if leaver == "ann" else 1
    assert again.accepted == 1 + corrected_back
    with pytest.raises(UnknownUserError, match="is unknown"):
        find_key(published, leaver)


IDS = st.one_of(
    st.sampled_from(USERS),
    st.integers(0, 120).map(str),
    st.text(st.sampled_from("a1'\"%_\\.-:; Жé安"), min_size=1, max_size=4).filter(str.strip).map(str.strip),
)
"""Ids that are numbers, words of the log, parts of one another, signs of SQL, patterns and paths."""


@pytest.mark.whole
@settings(max_examples=3)
@given(users=st.lists(IDS, min_size=2, max_size=8, unique=True), data=st.data())
def test_in_any_population_erasing_some_leaves_all_others_as_they_were(
    users, data, empty_lake, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("population")
    leavers = data.draw(st.lists(st.sampled_from(users), min_size=1, max_size=2, unique=True))
    events = [
        (f"{user}:{item}", user, item, hours(place), 1.0 + place)
        for place, user in enumerate(users)
        for item in (f"of {user}", "shared", users[0])
    ]
    refused = [(f"{user}:bad", user, "shared", "never", 1.0) for user in users]
    erase_and_deliver_again(
        Lake(shutil.copytree(empty_lake, folder / "lake")), folder, events, refused, leavers
    )


def erase_and_deliver_again(lake, folder, events, refused, leavers):
    take_in_events(lake, folder, [*events, *refused], name="log")
    keys = {leaver: look_up_key(lake, leaver) for leaver in leavers}
    for leaver, key in keys.items():
        before = rows_of_others(lake, key)
        erase_user(lake, key)
        assert rows_of_others(lake, key) == before, leaver
    stayers = ask(lake, "SELECT * FROM keyed.interactions ORDER BY ALL")
    more = take_in_events(lake, folder, [*events, *refused, refused[0]], name="again")
    assert more.accepted == 0
    assert ask(lake, "SELECT * FROM keyed.interactions ORDER BY ALL") == stayers
    assert [leaver for leaver in leavers if look_up_key(lake, leaver) is not None] == []
    assert [finding.promise for finding in check_tables(lake) if finding.num_offenders] == []
    lake.close()


@pytest.mark.slow
def test_a_hundred_of_a_thousand_users_go_without_a_byte_and_all_others_stay_as_they_were(lake, tmp_path):
    users = [f"user-{number:04}-{'é安x'[number % 3]}" for number in range(1000)]
    leavers = random.Random(1000).sample(users, 100)
    events = [
        (f"{user}/{item}", user, item, hours(1), 1.0) for user in users for item in ("shared", f"own-{user}")
    ]
    take_in_events(lake, tmp_path, events, name="log")
    keys = [find_key(lake, leaver) for leaver in leavers]
    stay = f"SELECT * FROM keyed.{{}} WHERE user_key NOT IN {tuple(keys)} ORDER BY ALL"
    before = [ask(lake, stay.format(table)) for table in ("users", "interactions")]
    for key in keys:
        erase_user(lake, key)
    again = take_in_events(lake, tmp_path, [*events, events[0]], name="again")
    assert again.accepted == 0
    purge_lake(lake)
    assert [ask(lake, stay.format(table)) for table in ("users", "interactions")] == before
    assert ask(lake, "SELECT count(*) FROM keyed.users") == [(900,)]
    left = b"".join(path.read_bytes() for path in lake.folder.rglob("*") if path.is_file())
    assert [leaver for leaver in leavers if leaver.encode() in left] == []
