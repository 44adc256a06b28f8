"""What the service knows of a user, and what it must not know."""

from datetime import UTC, datetime

import pytest

from feature_store.history.opt_outs import count_opt_outs, opt_in, opt_out
from feature_store.lake.lake import LakeError
from feature_store.tables.runs import open_run, publish_run
from feature_store.tables.stored_profiles import StoredProfiles
from feature_store.tables.targets import scan_stale_users, wanted_targets
from tests.feature_store.logs import ask, hours, key_of, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night

EVENTS = [
    ("e1", "ann", "one", hours(1), 5.0),
    ("e2", "ann", "two", hours(2), 4.0),
    ("e3", "bob", "two", hours(3), 3.0),
]
TITLES = {"one": "First", "two": "Second", "goal": "The Goal"}


def fill(lake, folder):
    """Two users' profiles, published."""
    take_in_items(lake, folder, TITLES)
    take_in_events(lake, folder, EVENTS)
    targets = [("ann", "goal", 1), ("ann", "one", 2), ("ann", "two", 3), ("bob", "goal", 1)]
    take_in_targets(lake, folder, targets)
    finish_night(lake, folder)


def texts(lake, *item_ids):
    rows = lake.query("SELECT item_id, reference_text FROM items").to_pylist()
    known = {row["item_id"]: row["reference_text"] for row in rows}
    return sorted(known[item_id] for item_id in item_ids)


def wanted_users(lake):
    return {row["user_id"] for row in lake.query(f"SELECT user_id FROM {wanted_targets(None)}").to_pylist()}


def test_a_users_profile_is_found_whatever_the_prompt(published):
    references, weights = StoredProfiles(str(published.folder))("ann", "anything else")
    assert sorted(references) == texts(published, "one", "two")
    assert dict(zip(references, weights, strict=True)) == {
        **dict.fromkeys(texts(published, "one"), 5.0),
        **dict.fromkeys(texts(published, "two"), 4.0),
    }


def test_an_items_own_prompt_finds_the_profile_for_that_item(published):
    (prompt,) = published.query("SELECT target_text FROM items WHERE item_id = 'goal'")[
        "target_text"
    ].to_pylist()
    references, weights = StoredProfiles(str(published.folder))("bob", prompt)
    assert (references, weights) == (texts(published, "two"), [3.0])


def test_the_profile_for_one_item_is_not_the_one_for_another(published):
    profiles = StoredProfiles(str(published.folder))
    assert profiles("ann", "First poster") == (["Second"], [4.0])
    assert profiles("ann", "Second poster") == (["First"], [5.0])


def test_references_come_in_the_order_in_which_they_were_selected(published):
    texts = "profiles AS p JOIN items AS i ON i.item_id = p.reference_item_id"
    goal = (
        f"SELECT reference_text FROM {texts} WHERE user_id = 'ann' AND p.item_id = 'goal' ORDER BY position"
    )
    selected = [text for (text,) in ask(published, goal)]
    assert StoredProfiles(str(published.folder))("ann", "The Goal poster")[0] == selected
    swap = "UPDATE night.profiles SET position = 3 - position WHERE item_id = 'goal' AND user_key = ?"
    key = key_of(published, "ann")
    published.write(lambda connection: connection.execute(swap, [key]), "the other way round")
    publish_run(published, open_run(published))
    assert StoredProfiles(str(published.folder))("ann", "The Goal poster")[0] == selected[::-1]


def test_a_reference_whose_text_is_being_corrected_is_left_out(published, tmp_path):
    take_in_items(published, tmp_path, {"two": "Second, revised"}, name="revised")
    assert StoredProfiles(str(published.folder))("ann", "x") == (["First"], [5.0])


def test_a_reference_of_several_profiles_counts_at_its_highest_weight(published):
    double = "UPDATE night.profiles SET weight = 9 WHERE item_id = 'goal' AND reference_item_id = 'one'"
    published.write(lambda connection: connection.execute(double), "another weight")
    publish_run(published, open_run(published))
    references, weights = StoredProfiles(str(published.folder))("ann", "x")
    assert dict(zip(references, weights, strict=True)) == {"First": 9.0, "Second": 4.0}


def test_a_stranger_has_no_profile(published):
    assert StoredProfiles(str(published.folder))("nobody", "x") == ([], [])


def test_a_missing_lake_is_noticed_only_when_it_is_asked(tmp_path):
    profiles = StoredProfiles(str(tmp_path / "absent"))
    with pytest.raises(LakeError, match="no lake in"):
        profiles("ann", "x")


def test_who_opts_out_is_unknown_to_the_service_at_once(published):
    opt_out(published, "ann")
    profiles = StoredProfiles(str(published.folder))
    assert profiles("ann", "x") == ([], [])
    assert profiles("bob", "x")[0] == texts(published, "two")


def test_who_opts_out_is_left_out_of_the_next_night_and_comes_back_on_wish(published):
    opt_out(published, "ann")
    opt_out(published, "ann")
    assert count_opt_outs(published) == 1
    assert wanted_users(published) == {"bob"}
    stale = scan_stale_users(published, known_before=datetime.now(UTC), recipe_digest="new", max_users=1)
    assert stale == [key_of(published, "bob")]
    opt_in(published, "ann")
    assert wanted_users(published) == {"ann", "bob"}
