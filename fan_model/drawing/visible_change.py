"""How much the eye sees of personalization: the distance in colour between a picture and its plain twin."""

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

CELLS = 32
"""Cells a side that a picture is reduced to: what is finer than a cell is grain."""
LIGHTNESS_STEP = 100 / 255
"""Lightness in a file's bytes, 0 to 255, is 0 to 100 in CIELAB; its two colours are as they stand."""


def visible_change(image: bytes, plain: bytes) -> float:
    """Mean colour difference of two pictures of any sizes, cell by cell (CIE 1976, Delta E*ab).

    Args:
        image: file of the one picture.
        plain: file of the other.

    Returns:
        0 for the same picture; from 2 or 3 on people tell plain areas of two colours apart; 100 is black
        beside white.

    Raises:
        OSError: if a file is no picture.
    """
    return colour_difference(read_cells(image), read_cells(plain))


def colour_difference(cells: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Mean Delta E*ab of two pictures, both as `read_cells` returns them."""
    return float(np.linalg.norm(cells - others, axis=-1).mean())


def least_alike(looks: Sequence[NDArray[np.float64]], count: int) -> list[int]:
    """Choose pictures that differ: the first, then again and again the farthest from all that were chosen.

    Args:
        looks: each as `read_cells` returns it.
        count: how many are chosen, or all that there are.

    Returns:
        Their places, in the order in which they were chosen.
    """
    distances = dict.fromkeys(range(len(looks)), float("inf"))
    chosen: list[int] = []
    while distances and len(chosen) < count:
        chosen.append(max(distances, key=distances.__getitem__))
        del distances[chosen[-1]]
        for place, distance in distances.items():
            distances[place] = min(distance, colour_difference(looks[place], looks[chosen[-1]]))
    return chosen


def read_cells(image: bytes) -> NDArray[np.float64]:
    """`[CELLS, CELLS, 3]` lightness and both colours of CIELAB, of a picture's file.

    Raises:
        OSError: if the file is no picture.
    """
    picture = Image.open(io.BytesIO(image)).convert("RGB").resize((CELLS, CELLS), Image.Resampling.BOX)
    lab = ImageCms.applyTransform(picture, _to_lab())
    if lab is None:
        raise OSError("the picture has no colours that can be compared")
    values = np.asarray(lab)
    colours = values[..., 1:].view(np.int8).astype(np.float64)
    return np.concatenate([values[..., :1] * LIGHTNESS_STEP, colours], axis=-1)


@cache
def _to_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
