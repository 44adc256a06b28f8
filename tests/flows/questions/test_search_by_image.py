"""Retrieval by an image, in the taste that the artwork of liked items shows."""

import logging

import pytest
from PIL import Image

from flows.questions.search import SearchError
from flows.questions.search_by_image import search_by_image
from flows.settings import read_settings
from tests.flows.nights import run, write_settings
from tests.flows.poster_shop import SOURCES, write_items, write_likes

pytestmark = pytest.mark.whole

COLORS = {"sunset": "orange", "dawn": "salmon", "night": "midnightblue", "abyss": "black"}
TITLES = ["sunset", "dawn", "night", "abyss", "lost", "bare"]

SETTINGS = (
    """
[pictures]
allowed = ["."]
[texts]
reference_template = "{title}"
target_template = "{title} film poster"
"""
    + SOURCES
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("artwork")


@pytest.fixture(scope="module")
def settings(folder):
    """Users who like warm, cold and no artwork; one item's file is lost, one item has none."""
    for title, color in COLORS.items():
        Image.new("RGB", (64, 64), color).save(folder / f"{title} art.png")
    uris = {title: (folder / f"{title} art.png").as_uri() for title in TITLES[:-1]} | {"bare": ""}
    write_items(folder, {title: uris[title] for title in TITLES})
    likes = {"warm": TITLES[:2], "cold": TITLES[2:5], "blind": TITLES[5:]}
    write_likes(folder, [(user, item, 1_700_000_000) for user, items in likes.items() for item in items])
    file = write_settings(folder, SETTINGS)
    run(file, ("ingest", "embed"))
    return read_settings(file)


@pytest.fixture(scope="module")
def image(folder):
    Image.new("RGB", (64, 64), "gray").save(folder / "query.png")
    return folder / "query.png"


def scores(settings, user, image, alpha):
    return {hit.item_id: hit.score for hit in search_by_image(settings, user, image, num_hits=6, alpha=alpha)}


@pytest.mark.parametrize("method", ["mean", "attention"])
def test_artwork_moves_the_answer_of_an_image(settings, image, method):
    settings = settings.model_copy(update={"search": settings.search.model_copy(update={"method": method})})
    warm, cold = (scores(settings, user, image, 0.8) for user in ("warm", "cold"))
    assert set(warm) == set(cold) == set(TITLES)
    assert max(abs(warm[item] - cold[item]) for item in TITLES) > 1e-3


def test_without_personalization_all_users_get_the_same(settings, image):
    assert scores(settings, "warm", image, 0.0) == pytest.approx(scores(settings, "cold", image, 0.0))


def test_artwork_that_is_lost_is_counted(settings, image, caplog):
    with caplog.at_level(logging.WARNING):
        scores(settings, "cold", image, 0.5)
    assert "1 of 3 pictures are refused: 1 not there" in caplog.text


def test_a_user_without_artwork_is_told_what_to_do(settings, image):
    with pytest.raises(SearchError, match=r"user blind: no liked item has artwork; .* stock_image_uri"):
        scores(settings, "blind", image, 0.5)


def test_a_file_that_is_no_image_is_named(settings, folder):
    with pytest.raises(SearchError, match=r"fan.toml is no PNG, JPEG, WebP, GIF or AVIF: name"):
        scores(settings, "warm", folder / "fan.toml", 0.5)
