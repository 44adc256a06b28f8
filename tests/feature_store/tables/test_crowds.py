"""Crowds: the one in use is the latest of its recipe at a time, and its name says what it is."""

from dataclasses import replace
from datetime import timedelta

from feature_store.tables.crowds import CrowdRow, add_crowd, crowd_id, drop_crowd, read_crowd
from tests.feature_store.logs import DAY

ROW = CrowdRow(
    crowd_id="c1",
    position=1,
    reference_id=7,
    text="a drama",
    weight=0.5,
    num_users=9,
    as_of=DAY,
    recipe_digest="r",
    run_id="n1",
    snapshot_id=3,
)
FIRST = [ROW, replace(ROW, position=2, reference_id=8, text="a comedy")]
SECOND = [replace(row, crowd_id="c2", as_of=DAY + timedelta(days=1), run_id="n2") for row in FIRST]


def read(lake, *, days, recipe_digest="r"):
    return read_crowd(lake, recipe_digest=recipe_digest, as_of=DAY + timedelta(days=days))


def test_the_latest_crowd_is_in_use_and_the_one_before_was(lake):
    add_crowd(lake, SECOND)
    add_crowd(lake, FIRST)
    assert read(lake, days=-1) == []
    assert read(lake, days=0) == FIRST
    assert read(lake, days=0.5) == FIRST
    assert read(lake, days=2) == SECOND


def test_a_crowd_that_is_dropped_was_never_in_use_and_the_one_before_is(lake):
    add_crowd(lake, FIRST)
    add_crowd(lake, SECOND)
    drop_crowd(lake, "c2")
    assert read(lake, days=2) == FIRST


def test_a_crowd_that_was_chosen_again_at_the_same_time_takes_the_place_of_the_first(lake):
    again = [replace(row, crowd_id="c3", snapshot_id=4) for row in FIRST]
    add_crowd(lake, again)
    add_crowd(lake, FIRST)
    assert read(lake, days=0) == again


def test_a_crowd_of_another_recipe_is_not_in_use(lake):
    add_crowd(lake, FIRST)
    assert read(lake, days=2, recipe_digest="another") == []


def test_a_crowds_name_changes_with_its_texts_and_weights_and_not_with_their_order():
    assert crowd_id([(1, 0.5), (2, 0.5)]) == crowd_id([(2, 0.5), (1, 0.5)])
    names = {crowd_id([(1, 0.5), (2, 0.5)]), crowd_id([(1, 0.6), (2, 0.4)]), crowd_id([(1, 0.5), (3, 0.5)])}
    assert len(names) == 3
