"""Erasing one of many: nobody else's rows change, whatever the ids look like, and the log still matches."""

import pytest

from feature_store.schemas import TABLES
from feature_store.tables.users import find_key
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.maintenance import purge_lake
from tests.feature_store.logs import ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night

USERS = ("1", "11", "111", "a1", "ann", "anna", "an n", "o'ann", "Жанна", "安", "null", "event", '"q"')
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
    shown = {table.qualified_name: table.has_users for table in TABLES} | {"targets": True, "artworks": True}
    counted = {"keyed.ingested_files": " EXCLUDE (rows_read, accepted)"}
    return {
        name: ask(
            lake,
            f"SELECT *{counted.get(name, '')} FROM {name} "
            f"WHERE {f'user_key <> {key}' if has_users else 'true'} ORDER BY ALL",
        )
        for name, has_users in shown.items()
    }


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
    of_leaver = sum(user == leaver for _, user, *_ in EVENTS)
    corrected_back = 0 if leaver == "ann" else 1
    assert again.accepted == 1 + of_leaver + corrected_back
    assert find_key(published, leaver) != key
