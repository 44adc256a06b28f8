import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fan_model.drawing.visible_change import least_alike, read_cells, visible_change


def _file(colour, size=(64, 64), image_format="png"):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(
        buffer, image_format, **({"lossless": True} if image_format == "webp" else {})
    )
    return buffer.getvalue()


colours = st.tuples(*[st.integers(0, 255)] * 3)


@given(colour=colours, sides=st.tuples(st.integers(1, 80), st.integers(1, 80)))
def test_a_picture_does_not_differ_from_itself_in_whatever_size_or_format(colour, sides):
    assert visible_change(_file(colour), _file(colour, sides, "webp")) == pytest.approx(0, abs=1e-9)


@given(one=colours, other=colours)
def test_the_difference_is_the_same_both_ways(one, other):
    assert visible_change(_file(one), _file(other)) == pytest.approx(visible_change(_file(other), _file(one)))


def test_black_beside_white_differs_by_a_hundred():
    assert visible_change(_file("black"), _file("white")) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("red", "lime", 170.6), ("#808080", "#858585", 1.96), ("white", "#ffff00", 97.1)],
)
def test_colours_differ_as_the_standard_says(one, other, expected):
    """From the published CIELAB values of sRGB's corners and greys, to eight bits."""
    assert visible_change(_file(one), _file(other)) == pytest.approx(expected, rel=0.08)


def test_half_a_picture_counts_half():
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32] = 255
    buffer = io.BytesIO()
    Image.fromarray(halves).save(buffer, "png")
    assert visible_change(buffer.getvalue(), _file("black")) == pytest.approx(50, abs=0.5)


def test_grain_finer_than_a_cell_is_not_seen():
    grain = np.indices((128, 128)).sum(axis=0) % 2 * 40 + 100
    buffer = io.BytesIO()
    Image.fromarray(np.repeat(grain[..., None], 3, axis=2).astype(np.uint8)).save(buffer, "png")
    assert visible_change(buffer.getvalue(), _file("#787878")) < 0.5


def test_what_is_no_picture_is_refused():
    with pytest.raises(OSError, match="cannot identify image file"):
        visible_change(b"", _file("red"))


@given(shades=st.lists(st.integers(0, 255), max_size=8), count=st.integers(0, 9))
def test_pictures_that_look_least_alike_are_each_chosen_once_and_never_a_twin_before_another(shades, count):
    looks = [read_cells(_file((shade,) * 3)) for shade in shades]
    chosen = least_alike(looks, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(shades))
    assert chosen[:1] == ([0] if shades and count else [])
    first = chosen[: len(set(shades))]
    assert len({shades[place] for place in first}) == len(first)
