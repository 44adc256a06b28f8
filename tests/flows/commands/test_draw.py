"""A picture's file is looked at before anything is drawn, and is what its name says."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from flows.commands.crowd_renewal import renew_crowd
from flows.commands.draw import DrawError, draw, format_of, parse_degrees
from flows.settings import read_settings
from tests.flows.nights import CONTRASTED, write_settings

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(("name", "image_format"), [("a.png", "png"), ("a.WEBP", "webp")])
def test_a_files_name_says_its_format(tmp_path, name, image_format):
    assert format_of(tmp_path / name) == image_format


@pytest.mark.parametrize("name", ["a.jpg", "a"])
def test_a_format_that_pictures_are_not_written_in_is_refused(tmp_path, name):
    with pytest.raises(DrawError, match=f"{name} cannot be written: pictures are png or webp"):
        format_of(tmp_path / name)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DrawError, match="there is no folder .*nowhere: make it first"):
        format_of(tmp_path / "nowhere" / "a.png")


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_a_picture_has_the_format_that_is_asked_for(published_file, image_format):
    drawn = draw(read_settings(published_file), "a western", ["1"], image_format=image_format)
    assert Image.open(io.BytesIO(drawn.image)).format.lower() == image_format
    assert drawn.references


def pixels(drawn):
    return np.asarray(Image.open(io.BytesIO(drawn.image)).convert("RGB"))


@pytest.mark.parametrize("strength", ["alpha", "contrast"])
def test_a_strip_goes_from_the_plain_picture_to_the_strongest(published_file, strength):
    settings = read_settings(published_file)
    if strength == "contrast":
        settings = read_settings(write_settings(published_file.parent, CONTRASTED))
        assert renew_crowd(settings).texts
    settings = settings.model_copy(update={"drawing": replace(settings.drawing, **{strength: 0.9})})
    strip = pixels(draw(settings, "a western", ["1"], degrees=(0.0, 0.4, 0.9)))
    plain, middle, strongest = np.split(strip, 3, axis=1)
    np.testing.assert_array_equal(plain, pixels(draw(settings, "a western", [])))
    np.testing.assert_array_equal(strongest, pixels(draw(settings, "a western", ["1"])))
    assert not np.array_equal(middle, plain)
    assert not np.array_equal(middle, strongest)


@pytest.mark.parametrize("text", ["", "a", "0,-1", "nan", "0,,1"])
def test_what_is_no_list_of_degrees_is_refused(text):
    with pytest.raises(DrawError, match="is no list of degrees: write numbers of 0 and more"):
        parse_degrees(text)


def test_more_than_all_of_alpha_is_refused(published_file):
    with pytest.raises(DrawError, match="^--degrees must each be a number from 0 to 1: they are of alpha"):
        draw(read_settings(published_file), "a western", ["1"], degrees=(0.0, 2.0))


def test_more_contrast_than_may_be_set_is_refused(published_file):
    settings = read_settings(write_settings(published_file.parent, CONTRASTED))
    renew_crowd(settings)
    with pytest.raises(DrawError, match="^--degrees must each be a number from 0 to 10: they are of con"):
        draw(settings, "a western", ["1"], degrees=(0.0, 20.0))
