"""A taste is what a user likes now: nothing of the future, and nothing of who opted out."""

from datetime import UTC, datetime, timedelta

import pytest

from feature_store.history.opt_outs import count_opt_outs, has_opted_out, opt_in, opt_out
from feature_store.history.tastes import (
    OptedOutError,
    read_history,
    read_liked,
    read_liked_artwork,
    read_taste,
)
from feature_store.tables.users import UnknownUserError
from tests.feature_store.logs import DAY, ask, hours, key_of, render, take_in_events, take_in_items


def fill(lake, folder):
    take_in_items(lake, folder, {"i1": "One", "i2": "Two", "i3": "Three", "twin": "One"})
    events = [
        ("e1", "ann", "i1", hours(1), 5.0),
        ("e2", "ann", "i1", hours(2), 2.0),
        ("e3", "ann", "i2", hours(2), 1.0),
        ("e4", "ann", "i2", hours(3), -1.0),
        ("e5", "bob", "i2", hours(1), 1.0),
        ("e6", "bob", "i1", hours(1), 2.0),
        ("e7", "bob", "i3", hours(1), 2.0),
        ("e8", "bob", "twin", hours(1), 0.5),
        ("e9", "cid", "gone", hours(1), 1.0),
    ]
    take_in_events(lake, folder, events)
    render(lake)
    pictures = "UPDATE items SET stock_image_uri = item_id || '.png' WHERE item_id <> 'twin'"
    lake.write(lambda connection: connection.execute(pictures), "items with pictures of their own")


def test_equal_texts_are_one_with_their_weights_added_up(filled):
    assert [(liked.text, liked.weight) for liked in read_taste(filled, "ann")] == [("One", 7.0)]


def test_a_taste_is_what_one_user_likes_in_the_order_of_the_texts_ids(filled):
    liked = read_taste(filled, "bob")
    assert {one.text: one.weight for one in liked} == {"One": 2.5, "Two": 1.0, "Three": 2.0}
    assert [one.reference_id for one in liked] == sorted(one.reference_id for one in liked)


def test_an_item_whose_text_is_not_written_yet_is_no_taste_yet(filled, tmp_path):
    take_in_items(filled, tmp_path, {"i2": "Two, revised"}, name="revised")
    assert {one.text for one in read_taste(filled, "bob")} == {"One", "Three"}


def test_the_own_pictures_of_what_a_user_likes_come_the_most_liked_first(filled):
    found = read_liked_artwork(filled, "bob", limit=9)
    assert [(one.uri, one.weight) for one in found] == [("i1.png", 2.0), ("i3.png", 2.0), ("i2.png", 1.0)]
    assert read_liked_artwork(filled, "bob", limit=2) == found[:2]
    assert [(one.uri, one.weight) for one in read_liked_artwork(filled, "ann", limit=9)] == [("i1.png", 7.0)]


def test_what_has_the_text_that_is_asked_about_is_left_out_and_nothing_else(filled):
    key, written = key_of(filled, "bob"), "UPDATE items SET target_text = NULL WHERE item_id = 'i3'"
    ((prompt,),) = ask(filled, "SELECT DISTINCT target_text FROM items WHERE item_id IN ('i1', 'twin')")
    assert {one.text for one in read_liked(filled, key, without=prompt)} == {"Two", "Three"}
    filled.write(lambda connection: connection.execute(written), "as if its prompt was not written yet")
    assert {one.text for one in read_liked(filled, key, without=prompt)} == {"Two", "Three"}
    assert {one.text for one in read_liked(filled, key)} == {"One", "Two", "Three"}


def test_a_history_is_what_was_liked_before_a_time_as_it_was_known_before_another(filled, tmp_path):
    key, known = key_of(filled, "bob"), datetime.now(UTC)
    take_in_events(filled, tmp_path, [("e10", "bob", "i3", hours(0), 4.0)], name="late")

    def weights(as_of, known_before):
        return {
            row["text"]: row["weight"]
            for row in read_history(filled, key, as_of=as_of, known_before=known_before).to_pylist()
        }

    early, now = DAY + timedelta(minutes=30), datetime.now(UTC)
    assert weights(early, now) == {"Three": 4.0}
    assert weights(early, known) == {}
    assert weights(now, known) == {"One": 2.5, "Two": 1.0, "Three": 2.0}


def test_whoever_met_only_what_the_catalogue_does_not_know_has_no_taste_to_go_by(filled):
    with pytest.raises(UnknownUserError, match="user cid has no history with known items: check"):
        read_taste(filled, "cid")
    assert read_liked_artwork(filled, "cid", limit=9) == []


def test_what_lies_in_the_future_is_no_taste_yet(filled):
    soon = "UPDATE keyed.interactions SET event_time = now() + INTERVAL 1 HOUR WHERE interaction_id = 'e2'"
    filled.write(lambda connection: connection.execute(soon), "as if it was to happen soon")
    assert [liked.weight for liked in read_taste(filled, "ann")] == [5.0]


@pytest.mark.parametrize("read", [read_taste, lambda lake, user: read_liked_artwork(lake, user, limit=9)])
def test_whoever_opted_out_has_no_taste_that_could_be_used(filled, read):
    opt_out(filled, "ann")
    with pytest.raises(OptedOutError, match="user ann opted out .* `fan opt-out --undo`"):
        read(filled, "ann")
    opt_in(filled, "ann")
    read(filled, "ann")


def test_opting_out_and_in_is_each_users_own_and_doing_it_twice_is_doing_it_once(filled):
    opt_out(filled, "ann")
    opt_out(filled, "ann")
    opt_out(filled, "bob")
    assert count_opt_outs(filled) == 2
    opt_in(filled, "bob")
    assert count_opt_outs(filled) == 1
    opted_out = {user: has_opted_out(filled, key_of(filled, user)) for user in ("ann", "bob")}
    assert opted_out == {"ann": True, "bob": False}


@pytest.mark.parametrize("user", ["nobody", ""])
def test_a_stranger_is_said_to_be_unknown(filled, user):
    with pytest.raises(UnknownUserError, match=f"user {user} is unknown"):
        read_taste(filled, user)
    with pytest.raises(UnknownUserError, match=f"user {user} is unknown"):
        opt_out(filled, user)
