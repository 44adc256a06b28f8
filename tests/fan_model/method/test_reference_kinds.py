"""Texts and pictures share what moves a picture: each acts alone, or by its share beside the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.personalization import Personalization
from fan_model.method.reference_kinds import ReferenceKinds

TEXTS = Personalization(alpha=0.4, contrast=0.8)
IMAGES = ImagePersonalization(method="attention", alpha=0.6, contrast=1.5, skip_layers=(0, 1))
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("references", "texts", "images"), [("texts", True, False), ("images", False, True), ("both", True, True)]
)
def test_what_does_not_act_is_told(references, texts, images):
    kinds = ReferenceKinds(references=references)
    assert (kinds.takes_texts, kinds.takes_images) == (texts, images)


@given(st.sampled_from(["texts", "images"]), SHARES)
def test_what_acts_alone_has_no_share(references, share):
    kinds = ReferenceKinds(references=references, share=share)
    assert kinds.of_texts(TEXTS) == (0.4, 0.8)
    assert kinds.of_images(IMAGES) == IMAGES


@pytest.mark.parametrize(
    ("share", "texts", "images"), [(0, 1, 0), (0.25, 1, 0.5), (0.5, 1, 1), (0.75, 0.5, 1), (1, 0, 1)]
)
def test_beside_each_other_the_lesser_side_acts_less(share, texts, images):
    kinds = ReferenceKinds(references="both", share=share)
    assert kinds.of_texts(TEXTS) == pytest.approx((texts * 0.4, texts * 0.8))
    how = kinds.of_images(IMAGES)
    assert (how.alpha, how.contrast) == pytest.approx((images * 0.6, images * 1.5))
    assert (how.method, how.skip_layers) == ("attention", (0, 1))


@given(SHARES)
def test_neither_side_ever_acts_more_than_alone(share):
    kinds = ReferenceKinds(references="both", share=share)
    alpha, _ = kinds.of_texts(TEXTS)
    assert 0 <= alpha <= 0.4
    assert max(alpha / 0.4, kinds.of_images(IMAGES).alpha / 0.6) == pytest.approx(1)


def test_what_moves_nothing_does_not_act():
    assert not ImagePersonalization(alpha=0, contrast=0).acts
    assert ImagePersonalization(alpha=0, contrast=0.1).acts
    assert ImagePersonalization(alpha=0.1).acts


def test_a_share_is_a_part_of_one_and_a_half_if_nobody_says():
    assert ReferenceKinds().share == 0.5
    for share in (-0.01, 1.01):
        with pytest.raises(ValidationError, match="share"):
            ReferenceKinds(references="both", share=share)
