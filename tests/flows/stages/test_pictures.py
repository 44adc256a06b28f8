"""From requests to picture files: each once, and what cannot be drawn fails alone."""

import pytest

from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.images import SpoiltPictureError
from fan_model.drawing.limits import RequestLimits
from feature_store.lake.stored_files import FolderFiles
from flows.stages.pictures import GENERATED, REFUSED, DrawingOutcome, PictureFiles

OPTIONS = DrawingOptions(num_inference_steps=1, num_references=None)
GOOD = ArtworkRequest(prompt="western film poster")
OTHER = ArtworkRequest(prompt="horror film poster", references=("blue",))
BLOCKED = ArtworkRequest(prompt="a forbidden film poster")
TOO_LONG = ArtworkRequest(prompt="long " * 10)


@pytest.fixture(scope="module")
def artist():
    return Artist.load(
        PIPELINE_FOLDER,
        limits=RequestLimits(max_characters=40),
        text_filter=lambda text: "forbidden" in text,
    )


@pytest.fixture
def pictures(artist, tmp_path):
    return PictureFiles(artist=artist, files=FolderFiles(tmp_path), folder="images", image_format="png")


def draw(pictures, *requests):
    """Draw requests; return the outcome of each."""
    return list(
        pictures.draw({pictures.digest(request, OPTIONS): request for request in requests}, OPTIONS).values()
    )


@pytest.mark.whole
def test_a_picture_is_in_the_file_of_its_digest(pictures):
    digest = pictures.digest(GOOD, OPTIONS)
    assert not pictures.is_known(digest)
    assert pictures.read(digest) is None
    assert draw(pictures, GOOD) == [GENERATED]
    assert pictures.is_known(digest)
    assert pictures.read(digest) == pictures.files.read(pictures.path(digest))
    (drawn,) = pictures.artist.draw([GOOD], OPTIONS)
    assert pictures.read(digest) == drawn.image


@pytest.mark.whole
def test_one_bad_request_fails_alone_with_its_reason(pictures):
    first, failed, last = draw(pictures, GOOD, TOO_LONG, OTHER)
    assert (first, last) == (GENERATED, GENERATED)
    assert failed.status == "failed"
    assert failed.reason.startswith("prompt must be ")
    assert [pictures.is_known(pictures.digest(one, OPTIONS)) for one in (GOOD, TOO_LONG, OTHER)] == [
        True,
        False,
        True,
    ]


def test_a_refused_picture_leaves_no_file_unless_it_is_to_be_remembered(artist, tmp_path):
    flagged = DrawingOutcome("flagged", REFUSED)
    for notes_refusals in (False, True):
        pictures = PictureFiles(
            artist=artist,
            files=FolderFiles(tmp_path),
            folder=str(notes_refusals),
            image_format="png",
            notes_refusals=notes_refusals,
        )
        assert draw(pictures, BLOCKED, GOOD) == [flagged, GENERATED]
        digest = pictures.digest(BLOCKED, OPTIONS)
        assert pictures.is_known(digest) is notes_refusals
        assert pictures.read(digest) is None


def test_nothing_asked_for_is_nothing_drawn(pictures):
    assert pictures.draw({}, OPTIONS) == {}


def test_a_digest_that_is_not_the_pictures_own_is_a_mistake(pictures):
    with pytest.raises(RuntimeError, match="but another was asked for"):
        pictures.draw({"another": GOOD}, OPTIONS)


def test_a_model_that_gives_no_picture_leaves_a_reason_and_no_file(pictures, monkeypatch):
    reason = "the image model gave numbers that are not finite"
    spoilt = SpoiltPictureError(reason)
    monkeypatch.setattr(
        pictures.artist, "draw_as_done", lambda requests, options: enumerate([spoilt] * len(requests))
    )
    assert draw(pictures, GOOD, OTHER) == [DrawingOutcome("failed", reason)] * 2
    assert list(pictures.files.list("images")) == []
