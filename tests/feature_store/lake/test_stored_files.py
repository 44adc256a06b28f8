"""Files over a folder or an object store: the same promises."""

import pytest

from feature_store.lake.stored_files import (
    FolderFiles,
    ObjectFiles,
    StorageKeysError,
    StoreUnreachableError,
    sha256,
)

KINDS = ["folder", pytest.param("s3", marks=pytest.mark.cluster)]


@pytest.fixture(params=KINDS)
def files(request, tmp_path):
    if request.param == "folder":
        return FolderFiles(tmp_path)
    return ObjectFiles(request.getfixturevalue("storage"))


def test_a_file_is_read_as_it_was_written_last(files):
    files.write("images/ab/one.png", b"before")
    files.write("images/ab/one.png", b"after")
    assert files.read("images/ab/one.png") == b"after"
    assert files.size("images/ab/one.png") == 5


def test_what_is_not_there_has_no_content_and_no_size(files):
    assert files.read("images/none.png") is None
    assert files.size("images/none.png") is None
    assert list(files.list("images")) == []


def test_a_folder_lists_what_is_in_it_and_below_it_and_nothing_beside_it(files):
    names = ["images/ab/one.png", "images/two.png"]
    for name in [*names, "images-of-others/three.png"]:
        files.write(name, b"x")
    assert sorted(files.list("images")) == names


def test_deleted_files_are_gone_and_missing_ones_are_passed_over(files):
    for name in ("images/one.png", "images/two.png"):
        files.write(name, b"x")
    files.delete(["images/one.png", "images/none.png"])
    assert list(files.list("images")) == ["images/two.png"]


def test_a_folder_that_is_empty_goes_with_its_last_file_and_one_that_is_not_stays(tmp_path):
    files = FolderFiles(tmp_path / "place")
    for path in ("work/run/profile/one", "work/run/two", "images/three"):
        files.write(path, b"x")
    files.delete(["work/run/profile/one"])
    assert not (tmp_path / "place" / "work" / "run" / "profile").exists()
    assert files.read("work/run/two") == b"x"
    files.delete(["work/run/two", "images/three"])
    assert [*tmp_path.iterdir()] == [tmp_path / "place"]
    assert [*(tmp_path / "place").iterdir()] == []


def test_a_checksum_is_of_the_content():
    assert sha256(b"x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


@pytest.mark.cluster
def test_who_has_a_signed_link_needs_no_keys_and_who_has_another_does(storage):
    import urllib.error
    import urllib.request

    files = ObjectFiles(storage)
    files.write("gallery/index.html", b"page")
    assert urllib.request.urlopen(files.link("gallery/index.html", seconds=60)).read() == b"page"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(files.link("gallery/index.html"))


@pytest.mark.cluster
def test_keys_that_are_missing_or_wrong_are_told_without_what_they_are(storage, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "swordfish")
    with pytest.raises(StoreUnreachableError, match=r"cannot write s3://.*/a: .* See that the server") as no:
        ObjectFiles(storage).write("a", b"x")
    assert "swordfish" not in str(no.value)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageKeysError, match="the environment has no AWS_SECRET_ACCESS_KEY: storage is an"):
        ObjectFiles(storage)
