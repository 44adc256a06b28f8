"""Pictures that artworks begin as: another one than before redraws its item's artworks, and no others."""

from feature_store.tables.item_pictures.start_pictures import (
    replace_start_pictures,
    scan_targets_pictures,
)
from tests.feature_store.logs import ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night, seen_pictures, stale_in_the_last_run


def fill(lake, folder):
    """A published night: two users, each recommended another item."""
    take_in_items(lake, folder, {"old": "Old", "goal": "Goal", "aim": "Aim"})
    take_in_events(lake, folder, [(user, user, "old", hours(0), 1.0) for user in ("ann", "bob")])
    take_in_targets(lake, folder, [("ann", "goal", 1), ("bob", "aim", 1)])
    finish_night(lake, folder)


def see(lake, **pictures):
    return replace_start_pictures(lake, seen_pictures(**pictures))


def stale_items(lake):
    return [picture.item_id for picture in stale_in_the_last_run(lake)]


def test_only_items_that_pictures_are_wanted_of_are_looked_at(published):
    assert scan_targets_pictures(published, max_users=None) == [("aim", None), ("goal", None)]
    assert len(scan_targets_pictures(published, max_users=1)) == 1


def test_another_picture_redraws_its_items_artworks_and_the_same_one_none(published):
    assert stale_items(published) == []
    assert see(published, goal="a", aim=None) == 1
    assert stale_items(published) == ["goal"]
    assert see(published, goal="a", aim=None) == 0
    assert see(published, goal="b", aim="c") == 2
    assert sorted(stale_items(published)) == ["aim", "goal"]


def test_a_picture_that_is_refused_now_redraws_them_too_and_is_kept_with_its_reason(published):
    see(published, goal="a")
    assert see(published, goal=None) == 1
    assert ask(published, "SELECT item_id, picture_sha256, reason FROM start_pictures") == [
        ("goal", None, "not there")
    ]


def test_a_night_lists_the_picture_that_it_saw(published):
    see(published, goal="a")
    (picture,) = stale_in_the_last_run(published)
    assert (picture.item_id, picture.start_sha256) == ("goal", "a")
