"""What may be read from where: what leads elsewhere is refused, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_adapters.pictures.picture_places import PicturePlaces, check_allowed

WEB = "https://cdn.example.org/covers"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "covers" / "deep").mkdir(parents=True)
    for name in ("covers/a b.png", "covers/deep/c.png", "secret.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "covers" / "out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "covers" / "round.png").symlink_to(tmp_path / "covers" / "round.png")
    return tmp_path


@pytest.mark.parametrize("uri", ["a b.png", "deep/c.png", "deep/../a b.png", "lost.png"])
def test_a_relative_path_starts_at_the_folder(folder, uri):
    places = PicturePlaces([str(folder / "covers")])
    assert places.find(uri) == (folder / "covers" / uri).resolve()


def test_a_file_is_looked_for_in_all_folders(folder):
    places = PicturePlaces([str(folder / "covers"), str(folder / "covers" / "deep")])
    assert places.find("c.png") == folder / "covers" / "deep" / "c.png"


def test_a_path_and_an_address_of_a_file_are_one(folder):
    places, file = PicturePlaces([str(folder / "covers")]), folder / "covers" / "a b.png"
    assert places.find(str(file)) == places.find(file.as_uri()) == file


@pytest.mark.parametrize(
    "uri", ["../secret.png", "out.png", "round.png", "a\0b", "file://host/covers/a.png", "/etc/passwd", ".."]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(folder, uri):
    assert PicturePlaces([str(folder / "covers")]).find(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        f"{WEB}/a.jpg",
        f"{WEB}/deep/a.jpg?size=large",
        "HTTPS://CDN.example.org:443/covers/ü b.jpg",
        f"{WEB}//a.jpg",
    ],
)
def test_an_address_below_one_that_is_allowed_is_found(uri):
    assert PicturePlaces([WEB]).find(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "http://cdn.example.org/covers/a.jpg",
        "https://cdn.example.org.evil.org/covers/a.jpg",
        "https://cdn.example.org@evil.org/covers/a.jpg",
        "https://ann:pw@cdn.example.org/covers/a.jpg",
        "https://cdn.example.org:8443/covers/a.jpg",
        "https://cdn.example.org/coversecret/a.jpg",
        "https://cdn.example.org/covers/../secret/a.jpg",
        "https://cdn.example.org/covers/%2e%2e/secret/a.jpg",
        "https://cdn.example.org/covers/%252e%252e/secret/a.jpg",
        "https://cdn.example.org/covers/..%5csecret/a.jpg",
        "https://cdn.example.org\\@evil.org/covers/a.jpg",
        "https://[::1/covers/a.jpg",
        f"simplecache::{WEB}/a.jpg",
        f"{WEB}/a.jpg\r\nHost: evil.org",
        "file:///etc/passwd",
        "s3://bucket/covers/a.jpg",
        "data:image/png;base64,AAAA",
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(uri):
    assert PicturePlaces([WEB]).find(uri) is None


@pytest.mark.parametrize(
    "uri", ["s3://Bucket/a.png", "s3://bucket2/a.png", "s3://bucket#/a", "s3://bucket?/a"]
)
def test_the_name_of_a_bucket_is_exact(uri):
    places = PicturePlaces(["s3://bucket"])
    assert places.find("s3://bucket/any/a.png") == "s3://bucket/any/a.png"
    assert places.find(uri) is None


def test_nothing_is_allowed_where_nothing_is_named(folder):
    assert PicturePlaces([]).find(str(folder / "secret.png")) is None
    assert PicturePlaces([]).find("secret.png") is None


@pytest.mark.parametrize("text", ["file:///covers", "local://covers", "https://", "zip://a::s3://bucket"])
def test_a_place_that_stands_for_others_cannot_be_allowed(text):
    with pytest.raises(ValueError, match="a place is a folder, or an address such as"):
        check_allowed(text)


@given(st.text(max_size=60))
def test_no_text_leads_out_of_the_folder(text):
    found = PicturePlaces(["/srv/covers"]).find(text)
    assert found is None or found.is_relative_to("/srv/covers")
