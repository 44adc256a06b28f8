"""Whose picture is which? Every picture has its taste, and no order tells which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.history.taste_words import TasteWord
from feature_store.tables.published import PublishedPicture
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


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=12, unique=True))
def test_every_picture_is_answered_by_the_number_of_its_own_taste(keys):
    matching = blind_matching([picture(key, f"word {key}") for key in keys])
    assert len(matching.pictures) == min(len(keys), MOST_PICTURES)
    for (letter, number), shown in zip(matching.answers, matching.pictures, strict=True):
        assert letter == "ABCDEF"[matching.pictures.index(shown)]
        assert matching.tastes[number - 1] is shown


def test_the_orders_are_those_of_the_page_before_and_differ_from_one_another():
    pictures = [picture(key, f"word {key}") for key in range(6)]
    first, again = blind_matching(pictures), blind_matching(pictures)
    assert first == again
    assert first.pictures != first.tastes
    assert first.pictures != pictures


@pytest.mark.parametrize(
    "pictures",
    [[], [picture(1, "western")], [picture(1, "western"), picture(2, "western")], [picture(1), picture(2)]],
    ids=["none", "one", "the same taste", "no words"],
)
def test_tastes_that_cannot_be_told_apart_are_not_asked_for(pictures):
    assert blind_matching(pictures) is None


def test_of_two_like_tastes_the_first_is_shown():
    pictures = [picture(1, "western"), picture(2, "western"), picture(3, "drama")]
    assert {shown.user_key for shown in blind_matching(pictures).pictures} == {1, 3}
