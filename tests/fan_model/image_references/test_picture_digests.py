"""Same digest, same picture, also of pictures that other pictures speak for, or that begin as another.

A field without a decision here fails the tests: say whether it changes the picture.
"""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.pictured_requests import PicturedRequest
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.starting import StartedRequest, StartPicture
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.method.image_personalization import ImagePersonalization
from tests.fan_model.digest_changes import draw_change

OPTIONS = DrawingOptions()
PICTURES = st.text("abc", min_size=1).map(lambda digest: Picture(digest, None))
PAIRS = st.lists(PICTURES, min_size=2, max_size=2, unique=True).map(tuple)
WEIGHTS = st.sampled_from([(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1e-3, 1e3)])
PROFILE = {
    "target": PICTURES,
    "references": PAIRS,
    "weights": WEIGHTS,
    "crowd": PAIRS,
    "crowd_weights": WEIGHTS,
}
HOW = {
    "method": st.sampled_from(["mean", "attention"]),
    "alpha": st.floats(0.01, 1),
    "contrast": st.floats(0.01, 10),
    "skip_layers": st.frozensets(st.integers(0, 5)).map(lambda layers: tuple(sorted(layers))),
}
EVERYTHING = PROFILE | HOW
UNSEEN = {
    ("contrasted", "mean"): {"alpha", "skip_layers"},
    ("contrasted", "attention"): {"alpha"},
    ("the paper's", "mean"): {"contrast", "crowd", "crowd_weights", "skip_layers"},
    ("the paper's", "attention"): {"contrast", "crowd", "crowd_weights"},
}
"""Inputs that change nothing in each way to personalize; whether there is a contrast is the way."""


def digest_of(inputs):
    how = ImagePersonalization(**{name: inputs[name] for name in HOW})
    profile = ImageProfile(how=how, **{name: inputs[name] for name in PROFILE})
    return artwork_digest(PicturedRequest(prompt="a harbour", images=profile), OPTIONS, "p")


def test_every_input_has_a_decision():
    names = [field.name for kind in (ImageProfile, ImagePersonalization) for field in fields(kind)]
    assert sorted(names) == sorted([*EVERYTHING, "how"])


@pytest.mark.parametrize(("way", "method"), UNSEEN)
@given(st.fixed_dictionaries(EVERYTHING), st.sampled_from(sorted(EVERYTHING)), st.data())
def test_a_digest_changes_with_what_changes_the_picture_and_with_nothing_else(
    way, method, inputs, name, data
):
    inputs = inputs | {"method": method}
    if way == "the paper's":
        inputs |= {"contrast": 0.0}
        if name == "contrast":
            inputs |= {"crowd": (), "crowd_weights": ()}
    change, is_reordered = draw_change(data, EVERYTHING, inputs, name)
    same = digest_of(inputs) == digest_of(inputs | change)
    assert same == (name in UNSEEN[way, method] or is_reordered)


@given(st.fixed_dictionaries(EVERYTHING))
def test_pictures_that_nothing_is_liked_beside_are_their_targets_however_strongly(inputs):
    alone = inputs | {"references": (), "weights": ()}
    usual = ImageProfile(target=inputs["target"])
    request = PicturedRequest(prompt="a harbour", images=usual)
    assert digest_of(alone) == artwork_digest(request, OPTIONS, "p")


def test_a_picture_that_others_speak_for_is_not_the_one_that_texts_alone_do():
    texts = ArtworkRequest(prompt="a harbour")
    profile = ImageProfile(target=Picture("a", None))
    digests = {
        artwork_digest(one, OPTIONS, "p")
        for one in (texts, PicturedRequest(prompt="a harbour", images=profile))
    }
    assert len(digests) == 2


@given(st.tuples(st.text("abc", min_size=1), st.floats(0.01, 1)), st.data())
def test_what_a_picture_begins_as_and_how_strongly_is_in_its_digest(start, data):
    other = data.draw(st.sampled_from([(f"{start[0]}d", start[1]), (start[0], start[1] / 2)]))

    def digest(sha256, strength):
        begun = StartPicture(Image.new("RGB", (1, 1)), sha256, strength)
        return artwork_digest(StartedRequest(prompt="a harbour", start=begun), OPTIONS, "p")

    assert {field.name for field in fields(StartPicture)} == {"image", "sha256", "strength"}
    assert digest(*start) == digest(*start)
    assert digest(*start) != digest(*other)
