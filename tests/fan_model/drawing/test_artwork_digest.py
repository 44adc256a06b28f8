"""Same digest, same picture: every input of a picture is either in its digest, or shown not to matter.

A field without a decision here fails the tests: say whether it changes the picture.
"""

import io
from dataclasses import asdict, fields, replace
from inspect import signature

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fan_model.drawing.artist import Artist
from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, canonical
from tests.fan_model.digest_changes import WEIGHTS_OF, draw_change
from tests.fan_model.pipelines import stable_diffusion

TEXTS = st.text("abc <>", min_size=1).filter(str.strip)
SIDES = st.none() | st.integers(1, 64).map(lambda number: 8 * number)
CHANGES_THE_PICTURE = {
    "prompt": TEXTS,
    "references": st.lists(TEXTS, min_size=2, max_size=2, unique=True).map(tuple),
    "weights": st.sampled_from([(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1e-3, 1e3)]),
    "seed": st.integers(0, 2**63 - 1),
    "alpha": st.floats(0.01, 1),
    "contrast": st.floats(0.01, 10),
    "crowd": st.lists(TEXTS, min_size=2, max_size=2, unique=True).map(tuple),
    "crowd_weights": st.sampled_from([(), (2.0, 1.0), (1.0, 2.0), (1e-3, 1e3)]),
    "skip_layers": st.frozensets(st.integers(0, 5)).map(lambda layers: tuple(sorted(layers))),
    "keep_words": st.booleans(),
    "target_query": st.booleans(),
    "num_inference_steps": st.integers(1, 200),
    "guidance_scale": st.floats(1.01, 50),
    "height": SIDES,
    "width": SIDES,
    "negative_prompt": st.text("abc "),
    "image_format": st.sampled_from(["png", "webp"]),
    "pipeline_fingerprint": st.text("0123456789abcdef", min_size=1),
}
"""Inputs that a picture is made of, with values that all make different pictures."""
CHANGES_NOTHING = {
    "num_references": st.none() | st.integers(1, 1000),
    "profiling": st.booleans(),
}
"""Inputs that say which references are used: the request names those, once they are selected."""
EVERYTHING = CHANGES_THE_PICTURE | CHANGES_NOTHING

UNSEEN = {"contrasted": {"alpha"}, "the paper's": {"crowd", "crowd_weights"}}
"""Inputs that change nothing in each of the two ways to personalize."""

INPUTS = [
    *(field.name for kind in (ArtworkRequest, DrawingOptions) for field in fields(kind)),
    *(name for name in signature(artwork_digest).parameters if name not in ("request", "options")),
]
REQUEST = ArtworkRequest(prompt="a quiet harbour", references=("neon", "pastel"), weights=(3.0, 1.0), seed=7)
OPTIONS = DrawingOptions(
    alpha=0.5,
    crowd=("neon", "western"),
    crowd_weights=(1.0, 1.0),
    num_inference_steps=1,
    height=16,
    width=16,
)


def digest_of(inputs):
    request, options = (
        kind(**{field.name: inputs[field.name] for field in fields(kind)})
        for kind in (ArtworkRequest, DrawingOptions)
    )
    return artwork_digest(request, options, inputs["pipeline_fingerprint"])


def test_every_input_has_a_decision():
    assert sorted(INPUTS) == sorted(EVERYTHING)


@pytest.mark.parametrize("way", UNSEEN)
@given(st.fixed_dictionaries(EVERYTHING), st.sampled_from(sorted(EVERYTHING)), st.data())
def test_a_digest_changes_with_what_changes_the_picture_and_with_nothing_else(way, inputs, name, data):
    inputs = inputs if way == "contrasted" else inputs | {"contrast": 0.0}
    change, is_reordered = draw_change(data, EVERYTHING, inputs, name)
    same = digest_of(inputs) == digest_of(inputs | change)
    assert same == (name in {*CHANGES_NOTHING, *UNSEEN[way]} or is_reordered)


@given(st.fixed_dictionaries(EVERYTHING), st.sampled_from([0.25, 2.0, 8.0]), st.permutations([0, 1]))
@pytest.mark.parametrize("texts", WEIGHTS_OF)
def test_neither_the_order_of_texts_nor_a_factor_of_their_weights_is_in_the_digest(
    texts, inputs, factor, order
):
    weights = inputs[WEIGHTS_OF[texts]] or (1.0, 1.0)
    other = inputs | {
        texts: tuple(inputs[texts][place] for place in order),
        WEIGHTS_OF[texts]: tuple(factor * weights[place] for place in order),
    }
    assert digest_of(other) == digest_of(inputs)


ANOTHER = {
    "prompt": "a loud harbour",
    "references": ("neon", "flat"),
    "weights": (1.0, 3.0),
    "seed": 8,
    "alpha": 0.6,
    "contrast": 1.0,
    "crowd": ("noir", "flat"),
    "crowd_weights": (1.0, 3.0),
    "skip_layers": (1,),
    "keep_words": True,
    "target_query": False,
    "num_inference_steps": 2,
    "guidance_scale": 5.0,
    "height": 24,
    "width": 24,
    "negative_prompt": "noir",
    "num_references": 9,
    "profiling": False,
}
"""Another value for each field; file formats show the same pixels."""


@pytest.fixture(scope="module")
def artist():
    return Artist([Personalizer(stable_diffusion())], encoder_fingerprint="e", pipeline_fingerprint="p")


def draw(artist, request, options):
    """The digest, the format and the pixels of a picture."""
    (artwork,) = artist.draw([request], options)
    return artwork.artwork_digest, artwork.mime_type, np.asarray(Image.open(io.BytesIO(artwork.image)))


@pytest.fixture(scope="module", params=UNSEEN)
def way(request):
    return request.param


@pytest.fixture(scope="module")
def options(way):
    return replace(OPTIONS, contrast=0.5 if way == "contrasted" else 0.0)


@pytest.fixture(scope="module")
def drawn(artist, options):
    """What each other picture of the way is compared with."""
    return draw(artist, REQUEST, options)


def changed(name, value, options):
    if name in asdict(REQUEST):
        return replace(REQUEST, **{name: value}), options
    return REQUEST, replace(options, **{name: value})


@pytest.mark.parametrize("name", sorted(set(INPUTS) - {"pipeline_fingerprint", "image_format"}))
def test_a_picture_is_another_where_its_digest_is(artist, way, options, drawn, name):
    digest, _, pixels = drawn
    other_digest, _, other_pixels = draw(artist, *changed(name, ANOTHER[name], options))
    changes_nothing = name in {*CHANGES_NOTHING, *UNSEEN[way]}
    assert (digest == other_digest) == changes_nothing
    assert np.array_equal(pixels, other_pixels) == changes_nothing


def test_a_file_of_another_format_has_another_digest_and_the_same_pixels(artist):
    (png, mime_type, pixels), (webp, other_type, other_pixels) = (
        draw(artist, REQUEST, replace(OPTIONS, image_format=image_format)) for image_format in ("png", "webp")
    )
    assert (png != webp, mime_type, other_type) == (True, "image/png", "image/webp")
    assert np.array_equal(pixels, other_pixels)


INVISIBLE = {
    "alpha without references": (replace(REQUEST, references=(), weights=None), {"alpha": 0.9}),
    "layers without references": (replace(REQUEST, references=(), weights=None), {"skip_layers": (1,)}),
    "a crowd that nothing is contrasted with": (REQUEST, {"crowd": ("drama",), "crowd_weights": ()}),
    "a contrast without a crowd": (REQUEST, {"crowd": (), "crowd_weights": (), "contrast": 2.0}),
    "kept words of a plain picture": (replace(REQUEST, references=(), weights=None), {"keep_words": True}),
    "a layer named twice": (REQUEST, {"skip_layers": (0, 0)}),
}


@pytest.mark.parametrize("case", INVISIBLE)
def test_what_this_picture_does_not_show_is_not_in_its_digest(artist, case):
    request, values = INVISIBLE[case]
    guidance = {name: value for name, value in values.items() if name == "guidance_scale"}
    one, other = (draw(artist, request, replace(OPTIONS, **options)) for options in (guidance, values))
    assert one[0] == other[0]
    assert np.array_equal(one[2], other[2])


ALL_LAYERS = tuple(range(99))
ALIKE = {
    "references at alpha 0": [(REQUEST, {"alpha": 0.0}), (replace(REQUEST, references=(), weights=None), {})],
    "layers that there are not": [(REQUEST, {"skip_layers": layers}) for layers in ((0,), (0, 98))],
    "any degree with all layers skipped": [
        (REQUEST, {"skip_layers": ALL_LAYERS, "alpha": alpha}) for alpha in (0.2, 0.9)
    ],
    "any start with all layers skipped": [
        (REQUEST, {"skip_layers": ALL_LAYERS, "target_query": starts}) for starts in (True, False)
    ],
    "the pipeline's own side": [(REQUEST, {"height": side, "width": side}) for side in (None, "own")],
}


@pytest.mark.parametrize("case", ALIKE)
def test_pictures_that_are_the_same_in_other_words_have_one_digest(artist, case):
    one, other = (
        draw(artist, request, replace(OPTIONS, **_with_own_side(artist, values)))
        for request, values in ALIKE[case]
    )
    assert np.array_equal(one[2], other[2])
    assert one[0] == other[0]


def _with_own_side(artist, values):
    return {name: artist.sides.own if value == "own" else value for name, value in values.items()}


def test_a_plain_picture_that_starts_from_the_empty_text_shows_which_layers_are_skipped(artist):
    plain, options = replace(REQUEST, references=(), weights=None), replace(OPTIONS, target_query=False)
    one, other = (draw(artist, plain, replace(options, skip_layers=layers)) for layers in ((), (1,)))
    assert one[0] != other[0]
    assert not np.array_equal(one[2], other[2])


def test_the_digest_of_a_picture_is_that_of_the_references_it_used(artist):
    history = tuple(f"taste {number}" for number in range(6))
    request, options = ArtworkRequest(prompt="x", references=history), replace(OPTIONS, num_references=2)
    (artwork,) = artist.draw([request], options)
    used = replace(request, references=artwork.references_used, weights=artwork.weights_used)
    assert len(artwork.references_used) == 2
    assert artwork.artwork_digest == artwork_digest(canonical(used), options, "p")
    assert artwork.artwork_digest != artwork_digest(request, options, "p")


@pytest.mark.parametrize("every", [{"profiling": False}, {"num_references": None}])
def test_without_profiling_or_with_no_number_every_reference_is_used(artist, every):
    history = tuple(f"taste {number}" for number in range(6))
    options = replace(OPTIONS, **{"num_references": 2, **every})
    (artwork,) = artist.draw([ArtworkRequest(prompt="x", references=history)], options)
    assert set(artwork.references_used) == set(history)


def test_an_artworks_digest_is_a_sha256_that_stays_what_it_is():
    request, options = ArtworkRequest(prompt="x", references=("b", "a"), weights=(1, 3)), DrawingOptions()
    one, other = artwork_digest(request, options, "p"), artwork_digest(request, options, "p")
    assert one == other
    assert len(bytes.fromhex(one)) == 32
