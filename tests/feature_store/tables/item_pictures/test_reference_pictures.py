"""Pictures that speak for users: another one redraws the artworks that it is in, and no others."""

from datetime import UTC, datetime

import pytest

from feature_store.schemas import REFERENCE_PICTURES
from feature_store.tables.artworks import PictureName
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.item_pictures.reference_pictures import (
    read_checksums,
    read_crowd_pictures,
    replace_reference_pictures,
    scan_used_pictures,
)
from feature_store.upkeep.maintenance import drop_unused_pictures
from tests.feature_store.logs import ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night, seen_pictures, stale_in_the_last_run

CROWD = {
    "crowd_id": "c",
    "num_users": 2,
    "as_of": datetime(2020, 1, 1, tzinfo=UTC),
    "recipe_digest": "r",
    "run_id": "n",
    "snapshot_id": 1,
}


def fill(lake, folder):
    """A published night: two users, who liked different items and are recommended the same one."""
    take_in_items(lake, folder, {name: name.title() for name in ("goal", "pastel", "noir", "unmet")})
    take_in_events(lake, folder, [(1, "ann", "pastel", hours(0), 1.0), (2, "bob", "noir", hours(0), 1.0)])
    take_in_targets(lake, folder, [("ann", "goal", 1), ("bob", "goal", 1)])
    finish_night(lake, folder)


@pytest.fixture
def pictured(published):
    """That night, whose items have an address of a picture each."""
    published.write(
        lambda connection: connection.execute("UPDATE items SET stock_image_uri = item_id || '.png'"), "test"
    )
    return published


def see(lake, **pictures):
    return replace_reference_pictures(lake, seen_pictures(**pictures))


def stale(lake):
    """What is to be drawn, by the item of its reference."""
    return {picture.references[0]: picture for picture in stale_in_the_last_run(lake)}


def test_items_of_histories_and_targets_are_looked_at_and_no_others(pictured):
    names = ["goal", "noir", "pastel"]
    assert scan_used_pictures(pictured) == [(name, f"{name}.png") for name in names]


def test_another_picture_redraws_what_it_is_in_and_the_same_one_nothing(pictured):
    see(pictured, goal="g", pastel="p", noir="n")
    finish = stale(pictured)
    assert len(finish) == 2
    pictured.write(lambda c: c.execute("UPDATE night.artworks SET recipe_digest = 'd'"), "test")
    assert see(pictured, goal="g", pastel="p", noir="n") == 0
    assert stale(pictured) == {}
    assert see(pictured, goal="g", pastel="p", noir="other") == 1
    ((text, picture),) = stale(pictured).items()
    assert "Noir" in text
    assert picture.pictures == [PictureName(uri="noir.png", sha256="other")]
    assert picture.own_sha256 == "g"


def test_a_picture_that_was_seen_at_another_address_does_not_act(pictured):
    see(pictured, goal="g", pastel="p", noir="n")
    moved = "UPDATE items SET stock_image_uri = 'moved.png' WHERE item_id IN ('noir', 'goal')"
    pictured.write(lambda connection: connection.execute(moved), "test")
    found = {picture.pictures[0].uri: picture for picture in stale(pictured).values()}
    assert found["moved.png"].pictures[0].sha256 is None
    assert found["moved.png"].own_sha256 is None
    assert found["pastel.png"].pictures[0].sha256 == "p"


def test_a_crowd_has_the_pictures_of_its_texts_as_far_as_there_are_any(pictured):
    see(pictured, goal="g", pastel="p", noir=None)
    ids = dict(ask(pictured, "SELECT item_id, reference_id FROM items"))
    crowd = [
        CrowdRow(position=place, reference_id=ids[name], text=name, weight=weight, **CROWD)
        for place, (name, weight) in enumerate({"noir": 0.2, "pastel": 0.5, "goal": 0.3}.items(), start=1)
    ]
    found = [(one.sha256, one.uri, one.weight) for one in read_crowd_pictures(pictured, crowd)]
    assert found == [("p", "pastel.png", 0.5), ("g", "goal.png", 0.3)]
    assert read_crowd_pictures(pictured, []) == []


def test_what_nobody_names_any_more_is_dropped(pictured):
    see(pictured, goal="g", pastel="p", noir="n", unmet="u")
    assert read_checksums(pictured) == ["g", "n", "p", "u"]
    assert drop_unused_pictures(pictured, None) == 0
    assert read_checksums(pictured) == ["g", "n", "p"]
    assert REFERENCE_PICTURES.key == ("item_id",)
