"""All lists of a source are one delivery: an item has its best place, and ranks begin at 1."""

from feature_store.intake.file_batches import append_delivery
from feature_store.tables.runs import open_run
from recsys_adapters.sources.recommendations import Recommendations
from tests.feature_store.logs import ask, offer, take_in_targets


def test_a_delivery_in_parts_is_one_and_ranks_may_begin_anywhere(lake, tmp_path):
    counts = take_in_targets(
        lake, tmp_path, [("ann", "i1", 0), ("ann", "i2", 1), ("ann", "i2", 7), ("bob", "i3", 5)]
    )
    assert (counts.accepted, counts.duplicate) == (3, 1)
    listed = ask(lake, "SELECT item_id, rank FROM night.targets ORDER BY ALL")
    assert listed == [("i1", 1), ("i2", 2), ("i3", 1)]


def test_an_item_that_a_list_has_twice_has_its_best_place_whichever_comes_last_and_is_told(lake, tmp_path):
    ranked = [("ann", "i1", 3), ("ann", "i2", 1), ("ann", "i3", 2), ("ann", "i1", 1), ("ann", "i3", 4)]
    counts = take_in_targets(lake, tmp_path, ranked)
    assert (counts.accepted, counts.duplicate) == (3, 2)
    assert counts.warnings == (
        "2 rows name an item that their user's list has already: its best place counts",
    )
    assert ask(lake, "SELECT item_id FROM night.targets ORDER BY rank") == [("i1",), ("i2",), ("i3",)]


def test_an_item_that_a_list_has_twice_by_scores_has_the_place_of_the_highest(lake, tmp_path):
    (tmp_path / "lists.csv").write_text("user_id,item_id,score\nann,i1,0.9\nann,i2,0.5\nann,i1,0.1\n")
    offers = [offer(one) for one in Recommendations(path=tmp_path / "lists.csv").files()]
    append_delivery(lake, offers, open_run(lake))
    listed = ask(lake, "SELECT item_id, score FROM night.targets ORDER BY rank")
    assert listed == [("i1", 0.9), ("i2", 0.5)]


def test_a_longer_list_than_is_wanted_is_cut(lake, tmp_path):
    take_in_targets(lake, tmp_path, [("ann", f"i{rank}", rank) for rank in range(9)], per_user=2)
    assert ask(lake, "SELECT item_id FROM night.targets ORDER BY rank") == [("i0",), ("i1",)]
