"""Stored pictures are drawn again: the same bytes, or how far they are."""

import io

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.cli.program import app
from flows.keeping.verification import (
    NothingStoredError,
    compare_files,
    describe_comparisons,
    verify_pictures,
)
from flows.settings import read_settings
from tests.flows.nights import NIGHT, write_settings

pytestmark = pytest.mark.whole


def picture(change=0, size=16, noise=0):
    values = np.random.default_rng(0).integers(20, 200, (size, size, 3)) + change
    values[0, 0] += noise
    file = io.BytesIO()
    Image.fromarray(values.astype("uint8")).save(file, "png")
    return file.getvalue()


def test_a_published_nights_pictures_are_drawn_again_to_the_byte(published_file):
    compared = verify_pictures(read_settings(published_file), 3)
    assert [(each.has_same_bytes, each.distance) for each in compared] == [(True, 0.0)] * 3
    assert describe_comparisons(compared, 1.0) == [
        "3 pictures were drawn again: 3 have the same bytes, 0 others the same pixels, 0 others are within a "
        "visible change of 1"
    ]


def test_a_picture_that_is_another_is_told_and_fails_the_command(published_file):
    settings = read_settings(published_file)
    digest = verify_pictures(settings, 1)[0].artwork_digest
    file = settings.workspace / "images" / digest[:2] / f"{digest}.png"
    Image.new("RGB", Image.open(file).size).save(file)
    (compared,) = verify_pictures(settings, 1)
    assert compared.distance > 5
    ended = CliRunner().invoke(app, ["verify", "1", "--settings", str(published_file)])
    assert (ended.exit_code, f"{digest}: a visible change of" in ended.output) == (1, True)
    assert (
        CliRunner()
        .invoke(app, ["verify", "1", "--distance", "200", "--settings", str(published_file)])
        .exit_code
        == 0
    )
    file.write_bytes(b"no picture")
    assert "is damaged" in verify_pictures(settings, 1)[0].reason


def test_other_settings_have_no_stored_picture(published_file):
    other = NIGHT.replace("num_inference_steps = 2", "num_inference_steps = 3")
    with pytest.raises(NothingStoredError, match="no stored picture was drawn with these settings"):
        verify_pictures(read_settings(write_settings(published_file.parent, other)), 1)


def test_a_workspace_without_a_night_has_nothing_to_verify(settings_file):
    with pytest.raises(NothingStoredError, match="nothing is published yet"):
        verify_pictures(read_settings(settings_file), 1)


@pytest.mark.parametrize(
    ("drawn", "same_bytes", "same_pixels", "agrees"),
    [
        (picture(), True, True, True),
        (picture() + b"\n", False, True, True),
        (picture(noise=3), False, False, True),
        (picture(change=40), False, False, False),
    ],
)
def test_two_files_are_compared_by_bytes_pixels_and_looks(drawn, same_bytes, same_pixels, agrees):
    compared = compare_files("x", picture(), drawn)
    assert (compared.has_same_bytes, compared.has_same_pixels) == (same_bytes, same_pixels)
    assert compared.agrees(1.0) == agrees
