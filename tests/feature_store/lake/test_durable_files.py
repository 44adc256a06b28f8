"""Folders that are filled whole or not at all."""

import pytest

from feature_store.lake.durable_files import FileAccessError, filling


def fill(folder):
    (folder / "a").write_text("one")
    (folder / "deep").mkdir()
    (folder / "deep" / "b").write_text("two")


def test_a_folder_that_was_filled_stays_filled(tmp_path):
    with filling(tmp_path / "new"):
        fill(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == ["a", "b", "deep"]


def test_a_folder_with_files_is_not_filled_and_nothing_of_it_goes(tmp_path):
    fill(tmp_path)
    with pytest.raises(FileAccessError, match="is not empty: name a new folder"), filling(tmp_path):
        raise AssertionError("it must not come to this")
    assert (tmp_path / "a").read_text() == "one"


def stop_halfway(folder, link):
    with filling(folder):
        fill(folder)
        (folder / "link").symlink_to(link)
        raise OSError("no room")


def test_what_stops_halfway_leaves_the_folder_as_it_was_and_nothing_elsewhere_changed(tmp_path):
    (tmp_path / "empty").mkdir()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "c").write_text("three")
    for name in ("new", "empty"):
        with pytest.raises(OSError, match="no room"):
            stop_halfway(tmp_path / name, kept)
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "new").exists()
    assert (kept / "c").read_text() == "three"
