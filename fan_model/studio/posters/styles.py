"""Six styles: each turns the painted canvas into a poster of 128 by 128 pixels.

The textures are coarse on purpose. The image model sees a picture as cells of 8 by 8 pixels; what repeats
within a cell it could not place, so dots stand in every other cell and blocks are half a cell wide.
"""

import math
from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, map_coordinates, sobel, zoom

from fan_model.studio.posters.canvas import CANVAS_PIXELS
from fan_model.studio.posters.palettes import WHITE, Palette, mix

POSTER_PIXELS = 128
CELL_PIXELS = 8
Pixels = NDArray[np.float32]
"""[height, width, 3], 0..255."""
Style = Callable[[Image.Image, Palette, Random], Image.Image]


def flat(canvas: Image.Image, p: Palette, r: Random) -> Image.Image:
    """Plain areas of colour."""
    return _shrink(canvas)


def watercolor(canvas: Image.Image, p: Palette, r: Random) -> Image.Image:
    """Wet edges that wander, thin paint, the paper shows all around."""
    y, x = np.mgrid[:POSTER_PIXELS, :POSTER_PIXELS].astype(np.float32)
    shrunk = _pixels(_shrink(canvas))
    where = [y + 1.3 * _clouds(r, 16), x + 1.3 * _clouds(r, 16)]
    paint = np.stack([map_coordinates(shrunk[..., c], where, order=1, mode="nearest") for c in range(3)], -1)
    paint = gaussian_filter(paint, (0.7, 0.7, 0))
    rims = np.clip(np.abs(gaussian_filter(paint, (2, 2, 0)) - paint).mean(-1) / 60, 0, 0.35)[..., None]
    paper = np.array([252, 248, 238], np.float32)
    water = np.clip(0.28 + 0.16 * _clouds(r, 7), 0.02, 0.6)[..., None]
    paint = paint * (1 - rims) * (1 - water) + paper * water
    inside = np.minimum.reduce([x, y, POSTER_PIXELS - 1 - x, POSTER_PIXELS - 1 - y]) + 3 * _clouds(r, 16)
    cover = np.clip((inside - 6) / 5, 0, 1)[..., None]
    return _image(paper * (1 - cover) + paint * cover)


def pixel(canvas: Image.Image, p: Palette, r: Random) -> Image.Image:
    """Blocks of 4 pixels in 14 colours."""
    size = POSTER_PIXELS // 4
    few = canvas.resize((size, size), Image.Resampling.BOX).quantize(14, dither=Image.Dither.NONE)
    return few.convert("RGB").resize((POSTER_PIXELS, POSTER_PIXELS), Image.Resampling.NEAREST)


def line(canvas: Image.Image, p: Palette, r: Random) -> Image.Image:
    """Ink along the edges over a thin wash."""
    soft = gaussian_filter(_pixels(canvas), (1.1, 1.1, 0))
    edges = sum(np.hypot(sobel(soft[..., c], 0), sobel(soft[..., c], 1)) for c in range(3))
    ink = gaussian_filter(np.clip((edges - 110) / 160, 0, 1), 0.8)[..., None]
    paper = np.array(mix(p.light, WHITE, 0.5), np.float32) * 0.7 + soft * 0.3
    drawn = paper * (1 - ink) + np.array(mix(p.dark, p.main, 0.25), np.float32) * ink
    return _shrink(_image(drawn))


def oil(canvas: Image.Image, p: Palette, r: Random) -> Image.Image:
    """Thick strokes along the shapes, coarse below, finer above."""
    pixels = np.asarray(canvas)
    grey = gaussian_filter(pixels.mean(-1).astype(np.float32), 3)
    slope_x, slope_y = sobel(grey, 1), sobel(grey, 0)
    along = np.where(
        np.hypot(slope_x, slope_y) > 14,
        np.arctan2(slope_y, slope_x) + math.pi / 2,
        1.5 * _clouds(r, 5, CANVAS_PIXELS),
    )
    painting = canvas.filter(ImageFilter.GaussianBlur(6))
    drawing = ImageDraw.Draw(painting)
    chance = np.random.default_rng(r.getrandbits(32))
    for num_strokes, length, width in ((260, 16, 13), (620, 9, 7)):
        xs, ys = chance.integers(2, CANVAS_PIXELS - 2, (2, num_strokes))
        brightness = chance.normal(0, 17, num_strokes)
        colours = np.clip(pixels[ys, xs] + brightness[:, None], 0, 255).astype(int).tolist()
        dx, dy = length * np.cos(along[ys, xs]), length * np.sin(along[ys, xs])
        ends = np.stack([xs - dx, ys - dy, xs + dx, ys + dy], 1).tolist()
        for end, colour in zip(ends, colours, strict=True):
            drawing.line(end, fill=tuple(colour), width=width)
    return _shrink(painting)


def halftone(canvas: Image.Image, p: Palette, r: Random) -> Image.Image:
    """Printed dots, bigger where it is darker, on a pale print of the colours."""
    colours = _pixels(canvas)
    luminance = gaussian_filter(colours.mean(-1) / 255, 4)
    cell = CELL_PIXELS * CANVAS_PIXELS // POSTER_PIXELS
    y, x = np.mgrid[:CANVAS_PIXELS, :CANVAS_PIXELS].astype(np.float32)
    u, v = (x + y) / (2 * cell), (x - y) / (2 * cell) + 0.5
    distance = np.hypot(u - np.round(u), v - np.round(v))
    dots = np.clip((0.58 * np.sqrt(1.05 - luminance) - distance) * 14 + 0.5, 0, 1)[..., None]
    pale = np.array(mix(p.light, WHITE, 0.4), np.float32) * 0.4 + colours * 0.6
    return _shrink(_image(pale * (1 - dots) + colours * 0.62 * dots))


STYLES: dict[str, Style] = {
    "flat": flat,
    "watercolor": watercolor,
    "pixel": pixel,
    "line": line,
    "oil": oil,
    "halftone": halftone,
}


def _shrink(image: Image.Image) -> Image.Image:
    return image.resize((POSTER_PIXELS, POSTER_PIXELS), Image.Resampling.BOX)


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image).astype(np.float32)


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _clouds(r: Random, num_cells: int, size: int = POSTER_PIXELS) -> Pixels:
    """Return smooth noise, [size, size], of about unit variance."""
    coarse = np.random.default_rng(r.getrandbits(32)).standard_normal((num_cells, num_cells))
    return zoom(coarse, size / num_cells, order=1)[:size, :size].astype(np.float32)
