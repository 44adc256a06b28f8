"""Each option of drawing is defined once; settings, params, limits and refusals read it from there."""

import ast
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from fan_model.drawing.fields import public_names, read_fields
from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, PictureOptions
from fan_model.method.personalization import Personalization
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.request_errors import RequestError
from fan_model.service.registry import params_schema
from flows.settings import Drawing, Settings

ROOT = Path(__file__).parents[3]
PACKAGES = ("evaluation", "fan_model", "feature_store", "flows", "recsys_adapters")
DEFINITIONS = {Personalization, PictureOptions, DrawingOptions}
OF_IMAGES = {"ImagePersonalization", "ImageProfile"}
"""How pictures speak for a user, whose scale is not that of texts."""
OPTIONS = read_fields(DrawingOptions)
SIDES = Sides(own=128, multiple=8)
NARROWED = {
    "max_inference_steps": OPTIONS["num_inference_steps"].highest,
    "max_guidance_scale": OPTIONS["guidance_scale"].highest,
    "max_references": OPTIONS["num_references"].highest,
    "max_characters": OPTIONS["negative_prompt"].longest,
}


def options_with_defaults():
    """Each option that a class of the packages gives a default in numbers or words, with the class."""
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name not in OF_IMAGES:
                yield from (
                    (line.target.id, node.name)
                    for line in node.body
                    if isinstance(line, ast.AnnAssign)
                    and isinstance(line.value, ast.Constant | ast.Tuple)
                    and line.target.id in OPTIONS
                )


def test_no_class_defines_an_option_a_second_time():
    found = list(options_with_defaults())
    assert {name for _, name in found} == {one.__name__ for one in DEFINITIONS}
    assert sorted(option for option, _ in found) == sorted(set(OPTIONS) - {"num_references"})


@pytest.mark.parametrize("model", [ArtworkRequest, DrawingOptions, SelectionPolicy])
def test_every_field_says_what_it_means(model):
    for name, field in model.__pydantic_fields__.items():
        assert field.description, name
        assert "\n" not in field.description


def test_the_settings_of_drawing_are_the_options_themselves():
    assert issubclass(Drawing, PictureOptions)
    assert Drawing.__annotations__ == {}
    assert read_fields(Drawing) == read_fields(PictureOptions)
    assert [field.default for field in fields(Drawing)] == [field.default for field in fields(PictureOptions)]
    assert Settings.model_fields["profile"].annotation is SelectionPolicy
    assert SelectionPolicy().max_references == DrawingOptions().num_references
    assert read_fields(SelectionPolicy)["max_references"] == OPTIONS["num_references"]


def test_the_registered_models_params_are_the_options_by_their_public_names():
    names = public_names(DrawingOptions)
    defaults = DrawingOptions(alpha=0.6, num_references=None, height=64)
    params = {param.name: param.default for param in params_schema(defaults).params}
    expected = {names[field.name]: getattr(defaults, field.name) for field in fields(defaults)}
    lists = {name: list(value) for name, value in expected.items() if isinstance(value, tuple)}
    assert params == expected | lists
    assert set(lists) == {"crowd", "crowd_weights", "skip_layers"}
    assert "format" in params


@pytest.mark.parametrize("limit", NARROWED)
def test_a_deployment_may_only_narrow(limit):
    widest = NARROWED[limit]
    assert getattr(RequestLimits(), limit) == widest
    assert getattr(RequestLimits(**{limit: 7}), limit) == 7
    with pytest.raises(ValidationError, match="less than or equal to"):
        RequestLimits(**{limit: widest + 1})


def beyond(allowed):
    """Values just outside a range, and inside it."""
    if allowed.choices:
        return ["bmp"], allowed.choices
    if allowed.kind is str:
        return ["x" * (allowed.longest + 1)], ["x" * allowed.longest]
    if allowed.kind is bool:
        return [1, "true"], [True, False]
    if allowed.kind is tuple:
        item = "x" * allowed.item.longest if allowed.item.kind is str else allowed.item.highest
        too_much = item + "x" if allowed.item.kind is str else item + 1
        return [(too_much,), (item,) * (allowed.longest + 1)], [(), (item,)]
    step = allowed.multiple or 1
    inside = [allowed.kind(allowed.lowest), allowed.kind(allowed.highest)]
    return [inside[0] - step, inside[1] + step], inside


@pytest.mark.parametrize("limits", [RequestLimits(), RequestLimits(max_characters=9, max_inference_steps=3)])
@pytest.mark.parametrize("name", OPTIONS)
def test_what_an_option_may_be_in_words_is_what_is_accepted(name, limits):
    allowed = limits.options(SIDES)[name]
    public = public_names(DrawingOptions)[name]
    usual = DrawingOptions(num_inference_steps=1, crowd=("a",))
    outside, inside = beyond(allowed)
    for value in inside:
        assert getattr(limits.parse_options({public: value}, SIDES, usual), name) == value
    for value in outside:
        with pytest.raises(RequestError) as refusal:  # noqa: PT011
            limits.parse_options({public: value}, SIDES, usual)
        assert str(refusal.value).endswith(f"{public} must be {allowed.in_words()}")


@pytest.mark.parametrize("name", OPTIONS)
def test_null_is_a_value_where_the_words_say_so(name):
    annotation = DrawingOptions.__pydantic_fields__[name].annotation
    assert OPTIONS[name].optional == (type(None) in get_args(annotation))
    assert OPTIONS[name].optional == OPTIONS[name].in_words().endswith(", or null")
