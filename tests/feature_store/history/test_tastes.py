"""A taste is what a user likes now: nothing of the future, and nothing of who opted out."""

import pytest

from feature_store.history.opt_outs import opt_in, opt_out
from feature_store.history.tastes import OptedOutError, read_liked_artwork, read_taste
from feature_store.tables.users import UnknownUserError
from tests.feature_store.logs import hours, render, take_in_events, take_in_items


def fill(lake, folder):
    take_in_items(lake, folder, {"i1": "One", "i2": "Two"})
    events = [("e1", "ann", "i1", hours(1), 5.0), ("e2", "ann", "i1", hours(2), 2.0)]
    take_in_events(lake, folder, events)
    render(lake)


def test_equal_texts_are_one_with_their_weights_added_up(filled):
    assert [(liked.text, liked.weight) for liked in read_taste(filled, "ann")] == [("One", 7.0)]


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


@pytest.mark.parametrize("user", ["nobody", ""])
def test_a_stranger_is_said_to_be_unknown(filled, user):
    with pytest.raises(UnknownUserError, match=f"user {user} is unknown"):
        read_taste(filled, user)
    with pytest.raises(UnknownUserError, match=f"user {user} is unknown"):
        opt_out(filled, user)
