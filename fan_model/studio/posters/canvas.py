"""A canvas to paint on, and brushes that paint in coordinates of their own.

A brush has an origin and a unit on the canvas: a motif is written once, around (0, 0) with a half size of 1,
and painted anywhere at any size. y grows downwards. All lengths, also the widths of lines, are in the brush's
unit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fan_model.studio.posters.palettes import Colour

CANVAS_PIXELS = 256
Point = tuple[float, float]


class Canvas:
    """A square picture of 256 by 256 pixels."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (CANVAS_PIXELS, CANVAS_PIXELS))
        self.drawing = ImageDraw.Draw(self.image)

    def fill(self, colour: Colour) -> None:
        """Cover everything with one colour."""
        self.image.paste(colour, (0, 0, CANVAS_PIXELS, CANVAS_PIXELS))

    def gradient(self, top: Colour, bottom: Colour) -> None:
        """Cover everything with a gradient from top to bottom."""
        t = np.linspace(0, 1, CANVAS_PIXELS)[:, None, None]
        rows = np.array(top) * (1 - t) + np.array(bottom) * t
        pixels = np.broadcast_to(rows, (CANVAS_PIXELS, CANVAS_PIXELS, 3)).astype(np.uint8)
        self.image.paste(Image.fromarray(pixels))

    def outlined(self, paint: "Callable[[Canvas], None]", colour: Colour, width: int) -> None:
        """Paint something with a rim of `width` pixels around it, so that it stands out from any ground.

        `paint` is called twice, and must paint the same.
        """
        on_black, on_white = Canvas(), Canvas()
        on_white.fill((255, 255, 255))
        for canvas in (on_black, on_white):
            paint(canvas)
        same = np.asarray(on_black.image) == np.asarray(on_white.image)
        shape = Image.fromarray((255 * same.all(-1)).astype(np.uint8))
        self.image.paste(colour, mask=shape.filter(ImageFilter.MaxFilter(2 * width + 1)))
        self.image.paste(on_black.image, mask=shape)

    def brush(self, x: float = 0.0, y: float = 0.0, unit: float = 1.0) -> "Brush":
        """Return a brush with its origin at (x, y) and its unit in shares of the canvas."""
        return Brush(self, x, y, unit)


@dataclass(frozen=True)
class Brush:
    """Paints shapes in its own coordinates."""

    canvas: Canvas
    x: float
    y: float
    unit: float

    def at(self, x: float, y: float, unit: float = 1.0) -> "Brush":
        """Return a brush with its origin and unit in this one's coordinates."""
        return Brush(self.canvas, self.x + x * self.unit, self.y + y * self.unit, unit * self.unit)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self.canvas.drawing.polygon(self._pixels(points), fill=colour)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self.canvas.drawing.rectangle(self._box(left, top, right, bottom), fill=colour)

    def rounded(
        self, left: float, top: float, right: float, bottom: float, radius: float, colour: Colour
    ) -> None:
        """Fill a rectangle with round corners."""
        self.canvas.drawing.rounded_rectangle(
            self._box(left, top, right, bottom), radius=radius * self._scale, fill=colour
        )

    def ellipse(self, x: float, y: float, rx: float, ry: float | None = None, *, colour: Colour) -> None:
        """Fill an ellipse, or a circle if only one radius is given."""
        self.canvas.drawing.ellipse(self._around(x, y, rx, ry), fill=colour)

    def ring(
        self, x: float, y: float, rx: float, ry: float | None = None, *, width: float, colour: Colour
    ) -> None:
        """Paint the rim of an ellipse, inwards."""
        self.canvas.drawing.ellipse(self._around(x, y, rx, ry), outline=colour, width=self._width(width))

    def arc(
        self, x: float, y: float, rx: float, ry: float, turn: Point, width: float, colour: Colour
    ) -> None:
        """Paint a part of a rim; `turn` is where it starts and ends, in degrees clockwise from the right."""
        self.canvas.drawing.arc(
            self._around(x, y, rx, ry), turn[0], turn[1], fill=colour, width=self._width(width)
        )

    def pie(self, x: float, y: float, rx: float, ry: float, turn: Point, colour: Colour) -> None:
        """Fill a slice of an ellipse; `turn` as in `arc`."""
        self.canvas.drawing.pieslice(self._around(x, y, rx, ry), turn[0], turn[1], fill=colour)

    def chord(self, x: float, y: float, radius: float, turn: Point, colour: Colour) -> None:
        """Fill what a straight cut takes off a circle; `turn` as in `arc`."""
        self.canvas.drawing.chord(self._around(x, y, radius, None), turn[0], turn[1], fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Paint a line through points."""
        self.canvas.drawing.line(self._pixels(points), fill=colour, width=self._width(width), joint="curve")

    def star(self, outer: float, inner: float, num_rays: int, colour: Colour, turn: float = 0.0) -> None:
        """Fill a star around the origin; `turn` in radians."""
        angles = [turn + math.pi * i / num_rays for i in range(2 * num_rays)]
        radii = [inner if i % 2 else outer for i in range(2 * num_rays)]
        points = [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]
        self.polygon(points, colour)

    def heart(self, colour: Colour) -> None:
        """Fill a heart of half width 1 around the origin."""
        angles = [i / 40 * 2 * math.pi for i in range(40)]
        lobes = [
            13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) for t in angles
        ]
        points = [(16 * math.sin(t) ** 3 / 17, -lobe / 17) for t, lobe in zip(angles, lobes, strict=True)]
        self.polygon(points, colour)

    def person(self, colour: Colour, stride: float = 0.12) -> None:
        """Paint a standing person of height 1, feet at the origin."""
        self.ellipse(0, -0.88, 0.12, colour=colour)
        self.polygon([(-0.15, -0.74), (0.15, -0.74), (0.1, -0.4), (-0.1, -0.4)], colour)
        for side in (-1, 1):
            foot = (side * stride * 0.5, 0.0), (side * stride * 1.2, 0.0)
            self.polygon([(side * 0.1, -0.42), (0, -0.42), *foot], colour)

    def hills(self, height: float, swell: float, colour: Colour, phase: float, num_waves: float) -> None:
        """Fill the lower part of the canvas up to a wavy line."""
        crest = [(i / 40, height + swell * math.sin(phase + num_waves * math.pi * i / 40)) for i in range(41)]
        self.polygon([(0, 1), *crest, (1, 1)], colour)

    @property
    def _scale(self) -> float:
        return self.unit * CANVAS_PIXELS

    def _width(self, width: float) -> int:
        return max(1, int(width * self._scale))

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        x, y = self.x * CANVAS_PIXELS, self.y * CANVAS_PIXELS
        return [(x + px * self._scale, y + py * self._scale) for px, py in points]

    def _box(self, left: float, top: float, right: float, bottom: float) -> list[Point]:
        x0, x1, y0, y1 = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
        return self._pixels([(x0, y0), (x1, y1)])

    def _around(self, x: float, y: float, rx: float, ry: float | None) -> list[Point]:
        ry = rx if ry is None else ry
        return self._box(x - rx, y - ry, x + rx, y + ry)


def turned(points: Sequence[Point], angle: float) -> list[Point]:
    """Return points turned around the origin by an angle in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return [(x * c - y * s, x * s + y * c) for x, y in points]
