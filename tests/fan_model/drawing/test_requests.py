"""One spelling for all requests of the same picture, and limits that hold for every value."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, canonical, merge_weighted
from fan_model.request_errors import RequestError

WEIGHTS = st.floats(1e-3, 1e3)
TASTES = st.lists(st.tuples(st.sampled_from("abcdef"), WEIGHTS), min_size=1, max_size=6)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
LIMITS = RequestLimits()
SIDES = Sides(own=128, multiple=8)


def request_of(taste):
    references, weights = zip(*taste, strict=True)
    return ArtworkRequest(prompt="x", references=references, weights=weights)


@given(TASTES, st.floats(1e-2, 1e2), st.randoms())
def test_neither_order_nor_scale_makes_another_picture(taste, factor, random):
    shuffled = random.sample(taste, len(taste))
    scaled = request_of([(reference, weight * factor) for reference, weight in shuffled])
    plain = canonical(request_of(taste))
    assert canonical(scaled).references == plain.references
    assert canonical(scaled).weights == pytest.approx(plain.weights, rel=1e-8)
    assert math.fsum(plain.weights) == pytest.approx(1)


@given(TASTES)
def test_the_canonical_spelling_is_its_own_and_has_its_own_digest(taste):
    request = request_of(taste)
    assert canonical(canonical(request)) == canonical(request)
    options = DrawingOptions()
    assert artwork_digest(canonical(request), options, "p") == artwork_digest(request, options, "p")


def test_a_plain_picture_is_the_same_at_every_alpha_and_a_personal_one_is_not():
    plain, personal = (
        ArtworkRequest(prompt="a poster"),
        ArtworkRequest(prompt="a poster", references=("neon",)),
    )
    low, high = DrawingOptions(alpha=0.1, skip_layers=()), DrawingOptions(alpha=0.9)
    assert artwork_digest(plain, low, "p") == artwork_digest(plain, high, "p")
    assert artwork_digest(personal, low, "p") != artwork_digest(personal, high, "p")


def answer(parse, values):
    """What a reader makes of values: the sentence of its refusal, or what it read."""
    try:
        return parse(values)
    except RequestError as error:
        return str(error)


@given(st.dictionaries(st.sampled_from([*ArtworkRequest.__dataclass_fields__, "other"]), ANYTHING))
def test_a_row_of_anything_is_read_or_refused_in_one_sentence(row):
    match answer(LIMITS.parse_request, row):
        case str(sentence):
            assert "\n" not in sentence
        case request:
            assert request.prompt.strip()
            assert all(weight > 0 for weight in request.strengths)


@given(st.dictionaries(st.sampled_from([*DrawingOptions.__dataclass_fields__, "format"]), ANYTHING))
def test_params_of_anything_are_read_or_refused_in_one_sentence(params):
    match answer(lambda values: LIMITS.parse_options(values, SIDES), params):
        case str(sentence):
            assert "\n" not in sentence
        case options:
            assert 0 <= options.alpha <= 1
            assert options.image_format in ("png", "webp")


@given(st.integers(-8, 4096))
def test_a_side_is_drawn_only_if_it_divides_and_is_not_too_long(side):
    outcome = answer(lambda values: LIMITS.parse_options(values, SIDES), {"height": side})
    refused = side < 1 or side % 8 != 0 or side > 256
    assert (outcome == "height must be a multiple of 8 from 8 to 256 pixels, or null") == refused


def test_params_that_are_not_given_are_as_the_deployment_has_them():
    usual = DrawingOptions(alpha=0.7, num_references=None, skip_layers=(0, 1))
    assert LIMITS.parse_options({"num_references": 3}, SIDES, usual) == DrawingOptions(
        alpha=0.7, num_references=3, skip_layers=(0, 1)
    )


@pytest.mark.parametrize("text", ["", " \u3000", "\u200b\ufeff", "\0", "half a pair: \ud83d"])
def test_a_prompt_without_anything_to_read_is_refused(text):
    with pytest.raises(
        RequestError, match="prompt must be a text of 1 to 2000 characters, some of them visi"
    ):
        LIMITS.parse_request({"prompt": text})


def test_whole_numbers_and_arrays_are_taken_for_what_they_mean():
    row = {"prompt": "x", "references": np.array(["a", "b"], object), "weights": np.array([1, 2])}
    assert LIMITS.parse_request({**row, "seed": np.int64(3)}) == ArtworkRequest(
        prompt="x", references=("a", "b"), weights=(1.0, 2.0), seed=3
    )


@pytest.mark.parametrize("text", ["cat.png", "<b>Night Train</b>", "/etc/x.JPEG", "&lt;", "I <3 you", "R&B"])
def test_text_that_looks_like_a_file_or_markup_is_text(text):
    request = LIMITS.parse_request({"prompt": text, "references": [text]})
    assert (request.prompt, request.references) == (text, (text,))


def test_a_reference_too_light_to_be_seen_is_left_out():
    request = ArtworkRequest(prompt="x", references=("a", "b"), weights=(1e9, 1e-9))
    assert (canonical(request).references, canonical(request).weights) == (("a",), (1.0,))


def test_a_reference_of_the_very_least_share_is_kept():
    request = ArtworkRequest(prompt="x", references=("a", "b"), weights=(1 - 1e-9, 1e-9))
    assert canonical(request).references == ("a", "b")


def test_shares_have_nine_digits():
    request = ArtworkRequest(prompt="x", references=("b", "a"), weights=(2.0, 1.0))
    assert canonical(request) == ArtworkRequest(
        prompt="x", references=("a", "b"), weights=(0.333333333, 0.666666667)
    )


@pytest.mark.parametrize("total", [1 - 5e-7, 1 + 5e-7])
def test_shares_that_sum_to_one_but_for_rounding_stay_as_they_are(total):
    request = ArtworkRequest(prompt="x", references=("a", "b"), weights=(0.25, total - 0.25))
    assert canonical(request).weights == (0.25, float(f"{total - 0.25:.9g}"))


def test_shares_that_sum_to_more_than_rounding_adds_are_weights():
    request = ArtworkRequest(prompt="x", references=("a", "b"), weights=(0.25, 0.7501))
    assert canonical(request).weights == pytest.approx((0.249975, 0.750025), abs=1e-8)


def test_references_without_weights_count_the_same():
    assert ArtworkRequest(prompt="x", references=("a", "b")).strengths == (1.0, 1.0)
    assert ArtworkRequest(prompt="x").strengths == ()
    assert ArtworkRequest(prompt="x", references=("a",), weights=(3,)).strengths == (3.0,)


@pytest.mark.parametrize("weights", [(), (1.0,), (1.0, 1.0, 1.0)])
def test_weights_are_as_many_as_the_references(weights):
    with pytest.raises(ValidationError, match=f"there are {len(weights)} weights and 2 references"):
        ArtworkRequest(prompt="x", references=("a", "b"), weights=weights)


LONGEST = ("a",) * 1000
RANGES = {
    "the seed": (ArtworkRequest, "seed", [0, 2**63 - 1], [-1, 2**63]),
    "references": (ArtworkRequest, "references", [(), LONGEST], [(*LONGEST, "a")]),
    "steps": (DrawingOptions, "num_inference_steps", [1, 200], [0, 201]),
    "guidance": (DrawingOptions, "guidance_scale", [1, 50], [0.99, 50.01]),
    "the height": (DrawingOptions, "height", [1, None], [0]),
    "the width": (DrawingOptions, "width", [1, None], [0]),
    "the format": (DrawingOptions, "image_format", ["png", "webp"], ["jpeg"]),
    "the number of references": (DrawingOptions, "num_references", [1, 1000, None], [0, 1001]),
}


@pytest.mark.parametrize("case", RANGES)
def test_each_value_of_a_range_is_taken_and_the_next_one_refused(case):
    kind, name, inside, outside = RANGES[case]
    given = {"prompt": "x"} if kind is ArtworkRequest else {}
    for value in inside:
        assert getattr(kind(**given, **{name: value}), name) == value
    for value in outside:
        with pytest.raises(ValidationError, match=r"should (be|have)"):
            kind(**given, **{name: value})


def test_weights_are_from_a_billionth_to_a_billion_and_as_many_as_references_may_be():
    for weight in (1e-9, 1e9):
        assert ArtworkRequest(prompt="x", references=("a",), weights=(weight,)).strengths == (weight,)
    for weight in (0.9e-9, 1e9 + 1):
        with pytest.raises(ValidationError, match="should be"):
            ArtworkRequest(prompt="x", references=("a",), weights=(weight,))
    assert len(ArtworkRequest(prompt="x", references=LONGEST, weights=(1,) * 1000).strengths) == 1000
    with pytest.raises(ValidationError, match="at most 1000 items"):
        ArtworkRequest(prompt="x", references=LONGEST, weights=(1,) * 1001)


def test_left_alone_the_options_are_those_of_the_documentation():
    usual = DrawingOptions(
        num_inference_steps=None, guidance_scale=None, height=None, width=None, negative_prompt="",
        image_format="png", num_references=20, profiling=True,
    )  # fmt: skip
    assert DrawingOptions() == usual
    assert ArtworkRequest(prompt="x") == ArtworkRequest(prompt="x", references=(), weights=None, seed=0)


def test_a_refused_request_is_the_senders_fault():
    assert RequestError("x").http_status == 400


def test_layers_are_spelt_once_in_their_order_and_those_that_there_are_not_are_none():
    options = DrawingOptions(skip_layers=(3, 1, 1, 9), alpha=0.3)
    assert options.within(4) == replace(options, skip_layers=(1, 3))
    assert DrawingOptions(skip_layers=(9,)).within(4).skip_layers == ()


def test_where_all_layers_are_skipped_nothing_is_personal():
    options = DrawingOptions(skip_layers=(1, 0), alpha=0.3, contrast=2.0, target_query=False)
    plain = {"skip_layers": (), "alpha": 0.0, "contrast": 0.0, "target_query": True}
    assert options.within(2) == replace(options, **plain)
    assert options.within(3) == replace(options, skip_layers=(0, 1))


def test_models_that_say_nothing_are_drawn_with_in_twenty_steps_and_some_guidance():
    assert (DrawingOptions().steps, DrawingOptions().guidance) == (20, 3.5)


def test_a_text_too_many_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="zip"):
        merge_weighted(["a", "b"], [1.0])
