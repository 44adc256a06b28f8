"""Upkeep: small files become large ones, what is old or left over goes, and no reader loses anything."""

from datetime import timedelta

import pytest

from feature_store.intake import staged_batches
from feature_store.lake.lake import Lake
from feature_store.lake.stored_files import FolderFiles
from feature_store.tables.crowds import CrowdRow, add_crowd
from feature_store.upkeep.maintenance import (
    delete_unreferenced_images,
    delete_unreferenced_vectors,
    drop_lost_pictures,
    maintain_lake,
)
from feature_store.vectors.reference_store import open_as_it_is
from tests.feature_store.logs import DAY, ask, hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import draw, finish_night, profile

pytestmark = pytest.mark.whole

ITEMS = {"i1": "One", "i2": "Two", "goal": "The Goal"}


def fill(lake, folder):
    take_in_items(lake, folder, ITEMS)
    take_in_events(lake, folder, [("e1", "ann", "i1", hours(1), 5.0)])
    take_in_targets(lake, folder, [("ann", "goal", 1)])
    finish_night(lake, folder)


def begin_next_night(lake, tmp_path):
    take_in_events(lake, tmp_path, [("e2", "ann", "i2", hours(2), 5.0)], name="next")


def test_expiring_every_old_snapshot_leaves_readers_the_published_night(published, tmp_path):
    begin_next_night(published, tmp_path)
    published.write(lambda connection: connection.execute("DELETE FROM night.profiles"), "half a night")
    upkeep = maintain_lake(published, keep=timedelta(0))
    assert upkeep.snapshots_expired > 0
    assert ask(published, "SELECT user_id, reference_item_id FROM profiles") == [("ann", "i1")]
    assert ask(published, "SELECT count(*) FROM night.profiles") == [(0,)]
    reader = Lake(tmp_path / "lake", read_only=True)
    assert ask(reader, "SELECT count(*) FROM artworks") == [(1,)]
    reader.close()


def test_many_small_commits_become_one_file(lake):
    for number in range(3):
        sql = f"INSERT INTO night.target_states SELECT i, 'r{number}', 'n' FROM range(1000) AS t(i)"
        lake.write(lambda connection, sql=sql: connection.execute(sql), "states")
    before = len(list(lake.folder.glob("data/night/target_states/*.parquet")))
    maintain_lake(lake, keep=timedelta(0))
    assert (before, len(list(lake.folder.glob("data/night/target_states/*.parquet")))) == (3, 1)
    assert ask(lake, "SELECT count(*), count(DISTINCT recipe_digest) FROM night.target_states") == [(3000, 3)]


def test_a_log_that_was_taken_in_while_it_was_read_is_compacted_like_any_other(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(staged_batches, "LARGE_FILE", 1)
    for day in range(3):
        events = [(f"e{number}", "ann", f"i{day}", hours(number), 1.0) for number in range(day, day + 1000)]
        take_in_events(lake, tmp_path, events, name=f"day-{day}")
    rows = "SELECT count(*), count(DISTINCT ingested_at), sum(hash(interactions)) FROM interactions"
    before, num_files = ask(lake, rows), len(list(lake.folder.rglob("*.parquet")))
    maintain_lake(lake, keep=timedelta(0))
    assert ask(lake, rows) == before
    assert before[0][:2] == (1002, 3)
    assert len(list(lake.folder.rglob("*.parquet"))) < num_files
    assert not [folder for folder in lake.folder.rglob("*=*") if not any(folder.iterdir())]


def test_young_snapshots_stay(published):
    assert maintain_lake(published, keep=timedelta(days=1)).snapshots_expired == 0


@pytest.mark.parametrize("name", ["ducklake-orphan.parquet", "source=%41/run_id=%42/orphan.parquet"])
def test_files_of_a_transaction_that_never_ended_go(name, published):
    orphan = published.folder / "data" / "main" / "interactions" / name
    orphan.parent.mkdir(parents=True, exist_ok=True)
    published.cursor().execute(f"COPY (SELECT 1 AS x) TO '{orphan}'")
    maintain_lake(published, keep=timedelta(days=1))
    assert not orphan.exists()
    assert list(published.folder.rglob("*=*")) == []
    assert ask(published, "SELECT count(*) FROM interactions") == [(1,)]


def test_pictures_that_no_row_names_go_and_those_of_the_published_night_stay(published, tmp_path):
    (named,) = tmp_path.glob("images/*/*")
    begin_next_night(published, tmp_path)
    published.write(lambda connection: connection.execute("DELETE FROM night.artworks"), "half a night")
    for name in ("unnamed.png", ".half-written.png.7.tmp"):
        (named.parent / name).write_bytes(b"x")
    assert delete_unreferenced_images(published, FolderFiles(tmp_path)) == 2
    assert list(tmp_path.glob("images/*/*")) == [named]


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"damaged")])
def test_a_lost_picture_is_drawn_again_the_same(harm, published, tmp_path):
    (path,) = tmp_path.glob("images/*/*")
    before = path.read_bytes()
    harm(path)
    assert drop_lost_pictures(published, FolderFiles(tmp_path)) == 1
    run = finish_night(published, tmp_path)
    assert profile(published, run).num_rows == 0
    assert draw(published, tmp_path, run) == []
    assert path.read_bytes() == before


def test_vectors_of_texts_that_no_item_has_any_more_go(published, tmp_path):
    store = open_as_it_is(tmp_path / "references")
    before = len(store)
    published.write(lambda connection: connection.execute("DELETE FROM items WHERE item_id = 'goal'"), "gone")
    assert delete_unreferenced_vectors(published, store) == 1
    assert len(open_as_it_is(tmp_path / "references")) == before - 1


def test_vectors_of_a_crowd_in_use_stay_whatever_items_have(published, tmp_path):
    ((goal,),) = ask(published, "SELECT target_id FROM items WHERE item_id = 'goal'")
    row = CrowdRow(
        crowd_id="c1", position=1, reference_id=goal, text="The Goal", weight=1.0, num_users=5,
        as_of=DAY, recipe_digest="r", run_id="n1", snapshot_id=1,
    )  # fmt: skip
    add_crowd(published, [row])
    published.write(lambda connection: connection.execute("DELETE FROM items WHERE item_id = 'goal'"), "gone")
    store = open_as_it_is(tmp_path / "references")
    delete_unreferenced_vectors(published, store)
    assert goal in store.ids()
