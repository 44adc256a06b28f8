"""What a user alone lent to others is taken back when the user opts out or leaves; what others lend stays."""

import pytest

from feature_store.history.opt_outs import opt_in, opt_out
from feature_store.tables.runs import open_run
from feature_store.tables.stored_profiles import StoredProfiles
from feature_store.tables.users import find_key
from feature_store.upkeep.erasure import erase_user
from tests.feature_store.logs import ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night, profile

TITLES = {item: item for item in ("lent", "shared", "own", "first", "second")}


def fill(lake, folder):
    """A night in which bob was lent what ann alone likes for one target, and a shared item for another."""
    take_in_items(lake, folder, TITLES)
    take_in_events(
        lake,
        folder,
        [
            ("e1", "ann", "lent", hours(1), 5.0),
            ("e2", "ann", "shared", hours(1), 5.0),
            ("e3", "cid", "shared", hours(1), 5.0),
            ("e4", "cid", "lent", hours(1), -1.0),
            ("e5", "bob", "own", hours(1), 5.0),
        ],
    )
    take_in_targets(lake, folder, [("bob", "first", 1), ("bob", "second", 2)])
    finish_night(lake, folder)
    for target, item in (("first", "lent"), ("second", "shared")):
        lend(lake, "bob", target, item)
    finish_night(lake, folder)


def lend(lake, user, target, item):
    """Let the reference of a pair be a neighbour of its target."""
    lake.write(
        lambda connection: connection.execute(
            "UPDATE night.profiles SET origin = 'neighbours', reference_item_id = $item, "
            "reference_id = (SELECT reference_id FROM items WHERE item_id = $item) "
            "WHERE user_key = $user AND item_id = $target",
            {"item": item, "user": find_key(lake, user), "target": target},
        ),
        "lend",
    )


def waiting(lake):
    """Targets whose references the next night selects anew, of bob's."""
    states = ask(lake, "SELECT item_id FROM night.profile_states WHERE user_key = ?", find_key(lake, "bob"))
    return {"first", "second"} - {item for (item,) in states}


def test_who_opts_out_lends_nothing_any_more_from_the_next_night_on(filled, tmp_path):
    assert waiting(filled) == set()
    opt_out(filled, "ann")
    assert waiting(filled) == {"first"}
    profile(filled, open_run(filled))
    found = ask(filled, "SELECT item_id, reference_item_id FROM night.profiles ORDER BY ALL")
    assert found == [("first", "own"), ("second", "shared")]


def test_what_others_still_lend_stays_until_the_last_of_them_opts_out(filled):
    opt_out(filled, "cid")
    assert waiting(filled) == set()
    opt_out(filled, "ann")
    assert waiting(filled) == {"first", "second"}


def test_a_users_own_opting_out_and_coming_back_leaves_what_was_lent_to_them(filled):
    opt_out(filled, "bob")
    opt_in(filled, "bob")
    assert waiting(filled) == set()


def test_the_service_stops_at_once_to_use_what_nobody_lends_any_more(filled):
    profiles = StoredProfiles(str(filled.folder))
    assert sorted(profiles("bob", "any prompt")[0]) == ["lent", "shared"]
    opt_out(filled, "ann")
    assert profiles("bob", "any prompt")[0] == ["shared"]
    opt_in(filled, "ann")
    assert sorted(profiles("bob", "any prompt")[0]) == ["lent", "shared"]


@pytest.mark.parametrize("opts_out_before", [False, True])
def test_who_leaves_takes_back_what_they_alone_lent(filled, opts_out_before):
    if opts_out_before:
        opt_out(filled, "ann")
    erase_user(filled, find_key(filled, "ann"))
    for table in ("night.profiles", "profiles"):
        assert ask(filled, f"SELECT item_id, reference_item_id FROM {table}") == [("second", "shared")]
    for table in ("night.artworks", "artworks"):
        assert ask(filled, f"SELECT item_id FROM {table}") == [("second",)]
    assert waiting(filled) == {"first"}
