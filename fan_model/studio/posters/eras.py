"""What the decade of a film leaves on its poster."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from fan_model.studio.posters.canvas import CANVAS_PIXELS, Brush
from fan_model.studio.posters.palettes import Palette

Ornament = Callable[[Brush, Palette], None]

_Y, _X = np.mgrid[:CANVAS_PIXELS, :CANVAS_PIXELS] / CANVAS_PIXELS - 0.5
VIGNETTE = np.clip(1.25 - 3.0 * (_X**2 + _Y**2), 0.12, 1)[..., None]
GLOW = 0.5 * np.exp(-(_X**2 + (_Y + 0.1) ** 2) / 0.07)[..., None]


def deco(b: Brush, p: Palette) -> None:
    """The lines of art deco."""
    for x, side in ((0.06, 1), (0.94, -1)):
        for dx, inset in ((0.0, 0.0), (0.04, 0.12)):
            b.line([(x + side * dx, 0.05 + inset), (x + side * dx, 0.95 - inset)], 0.014, p.accent)
    for k in range(-2, 3):
        b.line([(0.5, 0.0), (0.5 + k * 0.12, 0.12)], 0.014, p.accent)


def title_bar(b: Brush, p: Palette) -> None:
    """A bar for the title above."""
    b.rectangle(0, 0, 1, 0.13, p.main)
    b.rectangle(0.1, 0.045, 0.9, 0.085, p.light)


def target(b: Brush, p: Palette) -> None:
    """Rings of pop art in a corner."""
    for i, radius in enumerate((0.16, 0.12, 0.08, 0.04)):
        b.ellipse(0.88, 0.13, radius, colour=p.light if i % 2 else p.main)


def stripes(b: Brush, p: Palette) -> None:
    """Three stripes below."""
    for i, colour in enumerate((p.accent, p.second, p.main)):
        b.rectangle(0, 0.86 + 0.047 * i, 1, 0.907 + 0.047 * i, colour)


def grid(b: Brush, p: Palette) -> None:
    """A grid that runs to the horizon."""
    b.rectangle(0, 0.8, 1, 1, p.dark)
    for i in range(4):
        y = 0.8 + 0.05 * i * (0.6 + 0.15 * i)
        b.line([(0, y), (1, y)], 0.01, p.accent)
    for i in range(-4, 5):
        b.line([(0.5 + i * 0.09, 0.8), (0.5 + i * 0.24, 1)], 0.01, p.accent)


def credits_bar(b: Brush, p: Palette) -> None:
    """A bar for the credits below."""
    b.rectangle(0, 0.87, 1, 1, p.dark)
    b.rectangle(0.15, 0.915, 0.85, 0.955, p.light)


ORNAMENTS: dict[str, Ornament] = {
    "1930s": deco,
    "1950s": title_bar,
    "1960s": target,
    "1970s": stripes,
    "1980s": grid,
    "1990s": credits_bar,
}
ERAS = ("1930s", "1940s", "1950s", "1960s", "1970s", "1980s", "1990s", "2000s", "2010s")
"""The 2010s leave nothing: their posters are clean."""


def age(image: Image.Image, era: str | None) -> Image.Image:
    """Give the picture the light of its decade: the dark corners of the 1940s, the glow of the 2000s."""
    pixels = np.asarray(image)
    if era == "1940s":
        return Image.fromarray((pixels * VIGNETTE).astype(np.uint8))
    if era == "2000s":
        return Image.fromarray((pixels * (1 - GLOW) + 255 * GLOW).astype(np.uint8))
    return image
