"""Profiles and artworks: what is up to date is left alone, and only what changed is made anew."""

from feature_store.tables.artworks import artwork_id, count_stale_users
from feature_store.tables.profiles import count_stale_users as count_users_to_profile
from feature_store.tables.profiles import profile_digest
from feature_store.tables.published import read_items_of, read_picture, read_pictures
from feature_store.tables.runs import open_run
from tests.feature_store.logs import (
    ask,
    close,
    hours,
    id_of,
    key_of,
    take_in_events,
    take_in_items,
    take_in_targets,
)
from tests.feature_store.nights import draw, finish_night, profile


def fill(lake, folder):
    take_in_items(lake, folder, {"i1": "One", "i2": "Two", "goal": "The Goal"})
    take_in_events(lake, folder, [("e1", "ann", "i1", hours(1), 5.0), ("e2", "bob", "i2", hours(1), 5.0)])
    take_in_targets(lake, folder, [("ann", "goal", 1), ("bob", "goal", 1)])
    finish_night(lake, folder)


def test_a_night_without_news_has_nothing_to_do(published):
    run = open_run(published)
    assert count_users_to_profile(published, recipe_digest="p", max_users=None) == 0
    assert count_stale_users(published, run, recipe_digest="d", max_users=None) == 0


def test_an_event_redraws_its_users_pictures_only_and_only_if_the_profile_changed(published, tmp_path):
    take_in_events(published, tmp_path, [("e3", "ann", "i2", hours(2), 1.0)], name="new")
    take_in_events(published, tmp_path, [("e4", "bob", "i2", hours(2), 1.0)], name="more of the same")
    run = close(published)
    assert count_users_to_profile(published, recipe_digest="p", max_users=None) == 2
    keys = profile(published, run)["user_key"].to_pylist()
    assert [id_of(published, key) for key in keys] == ["ann", "bob"]
    assert [id_of(published, picture.user_key) for picture in draw(published, tmp_path, run)] == ["ann"]


def test_another_drawing_recipe_redraws_everything_and_profiles_nobody(published, tmp_path):
    run = open_run(published)
    assert count_stale_users(published, run, recipe_digest="another", max_users=None) == 2
    assert count_users_to_profile(published, recipe_digest="p", max_users=None) == 0


def test_another_profile_recipe_profiles_everybody_and_redraws_nothing_that_comes_out_the_same(
    published, tmp_path
):
    run = open_run(published)
    assert profile(published, run, recipe="another").num_rows == 2
    assert draw(published, tmp_path, run) == []


def test_a_failed_picture_is_tried_again_by_the_next_night_only(published, tmp_path):
    fail = "UPDATE night.artworks SET status = 'failed' WHERE user_key = ?"
    published.write(lambda connection: connection.execute(fail, [key_of(published, "ann")]), "failed")
    (last,) = ask(published, "SELECT run_id FROM runs")
    run = open_run(published)
    assert run.run_id != last[0]
    assert [id_of(published, picture.user_key) for picture in draw(published, tmp_path, run)] == ["ann"]


def test_readers_find_a_picture_with_the_references_it_was_drawn_from(published):
    picture = read_picture(published, "ann", "goal")
    (reference,) = picture.references
    assert (reference.title, reference.share, reference.origin) == ("One", 1.0, "history")
    assert read_picture(published, "ann", "i1") is None
    assert read_items_of(published, "bob") == ["goal"]
    assert [id_of(published, row.user_key) for row in read_pictures(published, max_users=1)] == ["ann"]


def test_a_profiles_digest_tells_texts_and_shares_but_neither_order_nor_scale():
    one = profile_digest(1, [(10, 1.0), (20, 3.0)])
    assert one == profile_digest(1, [(20, 6.0), (10, 2.0)])
    assert (
        len({one, profile_digest(2, [(10, 1.0), (20, 3.0)]), profile_digest(1, [(10, 1.0), (20, 2.0)])}) == 3
    )


def test_an_artworks_id_tells_user_item_and_digest_apart():
    assert len({artwork_id("a", "bc", "d"), artwork_id("ab", "c", "d"), artwork_id("a", "bc", "e")}) == 3
