"""The description of bodies agrees with what is read from them."""

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.requests import DrawingOptions
from fan_model.request_errors import RequestError
from fan_model.service.messages.request_rows import ROW_FIELDS, read_request
from fan_model.service.openapi import options_schema, rows_schema

LIMITS = RequestLimits(max_characters=9, max_references=2, max_inference_steps=30, max_enlargement=2)
SIDES = Sides(own=64, multiple=8)
ROW = rows_schema(LIMITS)["items"]
OPTIONS = options_schema(LIMITS, SIDES, DrawingOptions(alpha=0.7))

ODD = st.none() | st.booleans() | st.integers(-2, 200) | st.floats(-1, 60) | st.text(max_size=12)
VALUES = ODD | st.lists(ODD, max_size=4) | st.sampled_from(["png", "webp", [0], [99], [100]])


def accepts(schema, value):
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.fixed_dictionaries({"prompt": st.text(max_size=12)}, optional=dict.fromkeys(ROW_FIELDS[1:], VALUES))
)
def test_a_row_that_is_read_is_one_that_is_described(row):
    try:
        read_request(row, LIMITS, None)
    except RequestError:
        return
    assert accepts(ROW, {name: value for name, value in row.items() if value is not None})


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(OPTIONS["properties"], VALUES)))
def test_options_that_are_read_are_ones_that_are_described(options):
    try:
        LIMITS.parse_options(options, SIDES)
    except RequestError:
        return
    assert accepts(OPTIONS, options)


def _edges(field):
    """Pairs of a value at an end of a field's described range and the next one, beyond it."""
    kind = next(kind for kind in field.get("anyOf", [field]) if kind["type"] != "null")
    step = kind.get("multipleOf", 1)
    if "maximum" in kind:
        yield kind["maximum"], kind["maximum"] + step
        yield max(kind["minimum"], step if step > 1 else 0), kind["minimum"] - 1
    if "maxLength" in kind:
        yield "x" * kind["maxLength"], "x" * (kind["maxLength"] + 1)


EDGES = [
    (name, inside, outside)
    for name, field in OPTIONS["properties"].items()
    for inside, outside in _edges(field)
]


@pytest.mark.parametrize(("name", "inside", "outside"), EDGES)
def test_the_ends_of_a_described_range_are_those_of_what_is_read(name, inside, outside):
    LIMITS.parse_options({name: inside}, SIDES)
    with pytest.raises(RequestError, match=f"{name} must be"):
        LIMITS.parse_options({name: outside}, SIDES)


def test_every_number_and_every_text_has_a_range():
    assert {name for name, _, _ in EDGES} == {
        "alpha", "num_references", "num_inference_steps", "guidance_scale", "height", "width",
        "negative_prompt", "contrast",
    }  # fmt: skip


def test_defaults_are_the_deployments():
    assert OPTIONS["properties"]["alpha"]["default"] == 0.7
    assert OPTIONS["properties"]["skip_layers"]["default"] == [0]


@pytest.mark.parametrize("schema", [ROW, OPTIONS])
def test_examples_can_be_asked_for(schema):
    example = {name: field["examples"][0] for name, field in schema["properties"].items()}
    roomy = RequestLimits()
    if schema is ROW:
        read_request(example, roomy, None)
    else:
        roomy.parse_options(example, SIDES)
