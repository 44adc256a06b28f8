"""A picture's file is looked at before anything is drawn, and is what its name says."""

import io

import pytest
from PIL import Image

from flows.commands.draw import DrawError, draw, format_of
from flows.settings import read_settings

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
