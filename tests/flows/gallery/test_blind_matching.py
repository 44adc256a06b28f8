"""Whose picture is which? Every picture has its taste, and no order tells which."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from feature_store.history.taste_words import TasteWord
from feature_store.lake.stored_files import open_files
from feature_store.tables.published import PublishedPicture, PublishedReference
from flows.gallery.blind_matching import MOST_PICTURES, blind_matching


def taste_word(word):
    return TasteWord(word=word, share=0.5, share_of_everybody=0.1, difference=1.0)


def picture(user_key, *words):
    return PublishedPicture(
        user_key=user_key, item_id="7", title="Iron Tide", target_text="Iron Tide", rank=1,
        image_path=f"images/{user_key}.webp", plain_image_path="images/plain.webp", visible_change=1.0,
        status="generated", reason=None, alpha=0.4, contrast=None, tokens_cut=0,
        seed=1, num_references=1, artwork_digest="a", model_version="1", run_id="run",
        stock_image_uri=None, words=[taste_word(word) for word in words],
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where pictures are."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "images").mkdir()
    return folder


def match(pictures, folder, shades=None):
    """The matching of pictures that were painted in shades of grey: by user, 0 to 255."""
    for one in pictures:
        shade = (shades or {}).get(one.user_key, one.user_key % 256)
        content = io.BytesIO()
        Image.new("RGB", (32, 32), (shade,) * 3).save(content, "WEBP", lossless=True)
        (folder / one.image_path).write_bytes(content.getvalue())
    return blind_matching(pictures, open_files(folder))


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=12, unique=True))
def test_every_picture_is_answered_by_the_number_of_its_own_taste(folder, keys):
    matching = match([picture(key, f"word {key}") for key in keys], folder)
    assert len(matching.pictures) == min(len(keys), MOST_PICTURES)
    for (letter, number), shown in zip(matching.answers, matching.pictures, strict=True):
        assert letter == "ABCDEF"[matching.pictures.index(shown)]
        assert matching.tastes[number - 1] is shown


def reference(origin):
    return PublishedReference(
        user_key=0, item_id="7", reference_item_id="8", reference_id=1, title="A film",
        reference_text="A film", relevance=1.0, weight=1.0, share=1.0, origin=origin, history_size=1,
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_a_picture_with_what_others_like_is_not_shown_as_what_its_user_likes(folder):
    pictures = [picture(key, f"word {key}") for key in range(4)]
    pictures[1] = replace(pictures[1], references=[reference("history"), reference("neighbours")])
    pictures[2] = replace(pictures[2], references=[reference("history")])
    assert {one.user_key for one in match(pictures, folder).pictures} == {0, 2, 3}


def test_the_orders_are_those_of_the_page_before_and_differ_from_one_another(folder):
    pictures = [picture(key, f"word {key}") for key in range(6)]
    first, again = match(pictures, folder), match(pictures, folder)
    assert first == again
    assert first.pictures != first.tastes
    assert first.pictures != pictures


@pytest.mark.parametrize(
    "pictures",
    [[], [picture(1, "western")], [picture(1, "western"), picture(2, "western")], [picture(1), picture(2)]],
    ids=["none", "one", "the same taste", "no words"],
)
def test_tastes_that_cannot_be_told_apart_are_not_asked_for(folder, pictures):
    assert match(pictures, folder) is None


def test_of_two_like_tastes_the_first_is_shown(folder):
    pictures = [picture(1, "western"), picture(2, "western"), picture(3, "drama")]
    assert {shown.user_key for shown in match(pictures, folder).pictures} == {1, 3}


def test_the_pictures_that_look_least_alike_are_shown(folder):
    pictures = [picture(key, f"word {key}") for key in range(10)]
    shades = {0: 100, 1: 101, 2: 99, 3: 0, 4: 255, 5: 102, 6: 50, 7: 180, 8: 220, 9: 98}
    shown = {one.user_key for one in match(pictures, folder, shades).pictures}
    assert shown == {0, 3, 4, 6, 7, 8}


def test_a_picture_that_is_damaged_or_gone_is_not_asked_for(folder):
    pictures = [picture(key, f"word {key}") for key in range(4)]
    match(pictures, folder)
    (folder / pictures[1].image_path).write_bytes(b"no picture")
    (folder / pictures[2].image_path).unlink()
    matching = blind_matching(pictures, open_files(folder))
    assert {one.user_key for one in matching.pictures} == {0, 3}
