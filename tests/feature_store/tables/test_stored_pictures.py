"""What a service may hand out of what nights have drawn."""

import pytest

from feature_store.history.opt_outs import opt_in, opt_out
from feature_store.lake.lake import LakeError
from feature_store.tables.stored_pictures import StoredPictures
from tests.feature_store.logs import hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night


def fill(lake, folder):
    """Two users' pictures, published."""
    take_in_items(lake, folder, {"one": "First", "goal": "The Goal"})
    take_in_events(lake, folder, [("e1", "ann", "one", hours(1), 5.0), ("e2", "bob", "one", hours(2), 3.0)])
    take_in_targets(lake, folder, [("ann", "goal", 1), ("bob", "goal", 1)])
    finish_night(lake, folder)


def row_of(lake, user_id):
    (row,) = lake.query(
        "SELECT artwork_digest, image_path FROM artworks WHERE user_id = ?", [user_id]
    ).to_pylist()
    return row["artwork_digest"], lake.folder.parent / row["image_path"]


@pytest.fixture
def pictures(published):
    return StoredPictures(str(published.folder), str(published.folder.parent))


def test_a_users_picture_of_an_item_is_found_with_its_digest(published, pictures):
    for user_id in ("ann", "bob"):
        digest, file = row_of(published, user_id)
        assert pictures(user_id, "goal") == (digest, file.read_bytes())


@pytest.mark.parametrize(("user_id", "item_id"), [("ann", "one"), ("zoe", "goal"), ("", "")])
def test_what_was_not_drawn_is_not_there(pictures, user_id, item_id):
    assert pictures(user_id, item_id) is None


def test_an_opt_out_hides_a_picture_at_once(published, pictures):
    opt_out(published, "ann")
    assert pictures("ann", "goal") is None
    assert pictures("bob", "goal") is not None
    opt_in(published, "ann")
    assert pictures("ann", "goal") is not None


def test_a_file_that_is_lost_counts_as_not_drawn(published, pictures):
    row_of(published, "ann")[1].unlink()
    assert pictures("ann", "goal") is None


def test_without_a_lake_nothing_can_be_looked_up(tmp_path):
    with pytest.raises(LakeError, match="no lake"):
        StoredPictures(str(tmp_path / "nowhere"), str(tmp_path))("ann", "goal")
