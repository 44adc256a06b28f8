"""The checks find what is broken, and nothing in a healthy store."""

import pytest

from feature_store.lake.stored_files import FolderFiles
from feature_store.upkeep.checks import PROMISES, check_images, check_reading, check_tables, check_vectors
from feature_store.upkeep.maintenance import drop_lost_pictures
from tests.feature_store.logs import hours, take_in_events, take_in_items, take_in_targets
from tests.feature_store.nights import finish_night

pytestmark = pytest.mark.whole

BREAKING = {
    "of every source file": "UPDATE keyed.ingested_files SET accepted = accepted + 1",
    "every refused row": "DELETE FROM keyed.rejected_rows",
    "every accepted row": "DELETE FROM keyed.interactions",
    "every event": "INSERT INTO keyed.interactions FROM (FROM keyed.interactions LIMIT 1)",
    "every item": "INSERT INTO items FROM (FROM items LIMIT 1)",
    "every row of a user": "UPDATE keyed.users SET user_key = user_key + 1",
    "the windows": "UPDATE runs SET window_start = window_end",
    "at most one run": "INSERT INTO runs SELECT runs.* REPLACE ('failed' AS status) FROM runs, range(2)",
    "every published artwork has": "DELETE FROM night.targets WHERE item_id = 'goal'",
    "every published artwork was": "UPDATE night.profiles SET profile_digest = 'another'",
    "every reference": "UPDATE night.profiles SET as_of = TIMESTAMPTZ '2000-01-01 00:00:00+00'",
}


def fill(lake, folder):
    take_in_items(lake, folder, {"i1": "One", "i2": "Two", "goal": "The Goal"})
    broken = ("e9", "ann", "i1", "never", 5.0)
    take_in_events(lake, folder, [("e1", "ann", "i1", hours(1), 5.0), broken])
    take_in_targets(lake, folder, [("ann", "goal", 1), ("ann", "i2", 2)])
    finish_night(lake, folder)
    take_in_events(lake, folder, [("e2", "ann", "i2", hours(2), 5.0)], name="next")
    finish_night(lake, folder)


def examine(lake, folder):
    return [
        *check_tables(lake),
        check_images(lake, FolderFiles(folder)),
        *check_vectors(lake, folder / "references"),
    ]


def test_a_healthy_store_keeps_every_promise(published, tmp_path):
    findings = examine(published, tmp_path)
    assert len(findings) == len(PROMISES) + 4
    assert [finding for finding in findings if finding.num_offenders] == []


def test_every_promise_about_the_tables_can_be_broken(published):
    assert len(BREAKING) == len(PROMISES)
    for promise, sql in BREAKING.items():
        broken = broken_by(published, sql)
        assert any(text.startswith(promise) for text in broken), (promise, broken)


def broken_by(lake, sql):
    """Promises that `sql` breaks, looked up before it is undone."""
    connection = lake.cursor()
    connection.execute("BEGIN")
    connection.execute(sql)
    broken = []
    for promise in PROMISES:
        offenders = promise.offenders
        for name in ("artworks", "profiles", "targets"):
            offenders = offenders.replace(f"FROM {name}", f"FROM night.{name}")
            offenders = offenders.replace(f"JOIN {name}", f"JOIN night.{name}")
        if any(count for (count,) in connection.execute(offenders).fetchall()):
            broken.append(promise.text)
    connection.execute("ROLLBACK")
    return broken


def test_a_table_that_cannot_be_read_is_found_with_what_to_do(published):
    assert check_reading(published).num_offenders == 0
    insert = "INSERT INTO keyed.opt_outs SELECT i, now() FROM range(1000) AS t(i)"
    published.write(lambda connection: connection.execute(insert), "enough for a file")
    (file,) = published.folder.glob("data/keyed/opt_outs/*.parquet")
    whole = file.read_bytes()
    for content in (whole[:-200], b"damaged"):
        file.write_bytes(content)
        finding = check_reading(published)
        assert finding.example.startswith("keyed.opt_outs: ")
        assert "restore the workspace with `fan restore BACKUP`" in finding.remedy
    file.unlink()
    assert check_reading(published).num_offenders == 1


def test_a_picture_without_its_plain_twin_is_found_and_drawn_again(published, tmp_path):
    named = "UPDATE night.artworks SET plain_image_path = 'images/aa/plain.png' WHERE item_id = 'goal'"
    published.write(lambda connection: connection.execute(named), "a plain twin")
    published.publish("for readers")
    assert check_images(published, FolderFiles(tmp_path)).num_offenders == 1
    assert drop_lost_pictures(published, FolderFiles(tmp_path)) == 1
    finish_night(published, tmp_path)
    assert check_images(published, FolderFiles(tmp_path)).num_offenders == 0


def test_lost_pictures_and_vectors_are_found_with_what_to_do(published, tmp_path):
    picture = next(tmp_path.glob("images/*/*"))
    picture.write_bytes(b"damaged")
    finding = check_images(published, FolderFiles(tmp_path))
    assert (finding.num_offenders, finding.example) == (1, str(picture.relative_to(tmp_path)))
    assert "fan maintain" in finding.remedy
    for file in tmp_path.glob("references/*.faiss"):
        file.write_bytes(b"damaged")
    (finding,) = check_vectors(published, tmp_path / "references")
    assert "fan embed --rebuild" in finding.remedy
    (tmp_path / "references" / "manifest.json").unlink()
    broken = [
        finding.promise
        for finding in check_vectors(published, tmp_path / "references")
        if finding.num_offenders
    ]
    assert broken == [
        "every profile has the vectors of its texts",
        "every profile was selected by the vectors of the encoder in the store",
    ]
