"""What stands behind the motif of each genre: one function a genre, on a brush that spans the canvas."""

import math
from random import Random

from fan_model.studio.posters.canvas import Brush, turned
from fan_model.studio.posters.palettes import Palette, mix


def action(b: Brush, p: Palette, r: Random) -> None:
    """Rays that burst from the middle."""
    b.canvas.gradient(p.dusk, p.ground)
    start = r.uniform(0, 0.3)
    for i in range(12):
        a = start + i * math.pi / 6
        ray = [(0.5 + 1.2 * math.cos(t), 0.55 + 1.2 * math.sin(t)) for t in (a, a + 0.26)]
        b.polygon([(0.5, 0.55), *ray], p.sky)


def adventure(b: Brush, p: Palette, r: Random) -> None:
    """Sun over two chains of hills."""
    b.canvas.gradient(p.dusk, p.sky)
    b.ellipse(r.uniform(0.15, 0.3), r.uniform(0.15, 0.25), 0.09, colour=p.accent)
    b.hills(0.62, 0.06, mix(p.ground, p.sky, 0.45), r.uniform(0, 6), 3)
    b.hills(0.8, 0.04, p.ground, r.uniform(0, 6), 2)


def animation(b: Brush, p: Palette, r: Random) -> None:
    """Clouds over soft hills."""
    b.canvas.gradient(p.dusk, p.sky)
    for x in (0.15, 0.85):
        y = r.uniform(0.1, 0.25)
        for dx, dy in ((-0.06, 0), (0, -0.02), (0.06, 0)):
            b.ellipse(x + dx, y + dy, 0.06, 0.045, colour=p.light)
    b.hills(0.72, 0.07, mix(p.second, p.ground, 0.4), r.uniform(0, 6), 2)
    b.hills(0.86, 0.04, p.ground, r.uniform(0, 6), 3)


def children(b: Brush, p: Palette, r: Random) -> None:
    """A rainbow over a meadow."""
    b.canvas.gradient(p.dusk, p.light)
    for i, colour in enumerate((p.main, p.accent, p.second, p.ground, p.sky)):
        b.ellipse(0.5, 0.95, 0.62 - 0.07 * i, colour=colour)
    b.ellipse(0.5, 0.95, 0.27, colour=mix(p.light, p.dusk, 0.2))
    b.rectangle(0, 0.88, 1, 1, p.ground)


def comedy(b: Brush, p: Palette, r: Random) -> None:
    """Confetti."""
    b.canvas.fill(p.sky)
    for _ in range(40):
        paper = turned([(-0.03, -0.012), (0.03, -0.012), (0.03, 0.012), (-0.03, 0.012)], r.uniform(0, 3))
        b.at(r.random(), r.random()).polygon(paper, r.choice((p.main, p.second, p.accent, p.ground, p.light)))


def crime(b: Brush, p: Palette, r: Random) -> None:
    """Police tape above and below."""
    b.canvas.gradient(p.dark, p.ground)
    for top, slope in ((r.uniform(0.06, 0.14), 0.1), (r.uniform(0.82, 0.88), -0.08)):
        b.polygon(
            [
                (0, top - slope / 2),
                (1, top + slope / 2),
                (1, top + slope / 2 + 0.11),
                (0, top - slope / 2 + 0.11),
            ],
            p.accent,
        )
        for i in range(-1, 6):
            x = i * 0.2
            high, low = top - slope / 2 + slope * x, top - slope / 2 + slope * x + 0.11
            b.polygon([(x, low), (x + 0.08, high), (x + 0.17, high), (x + 0.09, low)], p.dark)


def documentary(b: Brush, p: Palette, r: Random) -> None:
    """The perforated edges of a film."""
    b.canvas.gradient(p.sky, p.dusk)
    for x in (0, 0.86):
        b.rectangle(x, 0, x + 0.14, 1, p.dark)
        for i in range(8):
            b.rectangle(x + 0.035, i * 0.125 + 0.03, x + 0.105, i * 0.125 + 0.095, p.light)


def drama(b: Brush, p: Palette, r: Random) -> None:
    """A stage with curtains, in a cone of light."""
    b.canvas.gradient(p.dark, mix(p.dark, p.ground, 0.6))
    b.polygon([(0.42, 0), (0.58, 0), (0.82, 0.9), (0.18, 0.9)], mix(p.dark, p.accent, 0.6))
    b.ellipse(0.5, 0.9, 0.33, 0.07, colour=p.accent)
    for side in (0, 1):
        for i in range(4):
            left = i * 0.06
            fold = [(left, 0.0), (left + 0.06, 0.0), (left + 0.035, 0.95), (left - 0.01, 0.95)]
            colour = mix(p.main, p.dark, 0.45 * (i % 2))
            b.polygon([(1 - x if side else x, y) for x, y in fold], colour)
    scallops = [(1 - i / 24, 0.1 + 0.035 * abs(math.sin(i / 6 * math.pi))) for i in range(25)]
    b.polygon([(0, 0), (1, 0), *scallops], p.main)


def fantasy(b: Brush, p: Palette, r: Random) -> None:
    """A crescent moon among stars."""
    b.canvas.gradient(p.dusk, p.sky)
    x, y = r.uniform(0.13, 0.2), r.uniform(0.14, 0.2)
    b.ellipse(x, y, 0.1, colour=p.light)
    b.ellipse(x + 0.045, y - 0.02, 0.085, colour=mix(p.dusk, p.sky, 0.15))
    for _ in range(12):
        size = r.uniform(0.018, 0.032)
        b.at(r.random(), r.uniform(0, 0.6)).star(size, size * 0.25, 4, p.accent)
    b.hills(0.85, 0.05, p.ground, r.uniform(0, 6), 2)


def film_noir(b: Brush, p: Palette, r: Random) -> None:
    """The light of a window blind on a dark wall."""
    b.canvas.gradient(mix(p.dark, p.ground, 0.25), p.dark)
    slope = r.uniform(0.12, 0.22)
    for i in range(7):
        y = 0.04 + 0.12 * i
        slat = [(0.12, y), (0.95, y - slope), (0.95, y - slope + 0.065), (0.12, y + 0.065)]
        b.polygon(slat, mix(p.light, p.ground, 0.15 + 0.07 * i))


def horror(b: Brush, p: Palette, r: Random) -> None:
    """A huge moon between bare trees."""
    b.canvas.gradient(p.dark, p.dusk)
    b.ellipse(0.5, 0.42, 0.3, colour=mix(p.light, p.dusk, 0.2))
    for trunk, side in ((0.1, 1), (0.9, -1)):
        b.line([(trunk, 1), (trunk + 0.02 * side, 0.25)], 0.035, p.dark)
        for k in range(4):
            y = 0.75 - 0.14 * k
            b.line(
                [(trunk, y), (trunk + side * 0.14, y - 0.09), (trunk + side * 0.22, y - 0.16)], 0.016, p.dark
            )
    b.hills(0.9, 0.03, p.dark, r.uniform(0, 6), 3)


def musical(b: Brush, p: Palette, r: Random) -> None:
    """Spotlights over a keyboard."""
    b.canvas.gradient(p.dusk, p.sky)
    for side, x in ((1, 0.1), (0, 0.5), (-1, 0.9)):
        foot = x + 0.2 * side
        b.polygon(
            [(x - 0.02, 0), (x + 0.02, 0), (foot + 0.13, 0.8), (foot - 0.13, 0.8)], mix(p.sky, p.accent, 0.55)
        )
    b.rectangle(0, 0.8, 1, 1, p.light)
    for i in range(1, 8):
        b.line([(i * 0.125, 0.8), (i * 0.125, 1)], 0.008, p.dark)
        if i not in (3, 7):
            b.rectangle(i * 0.125 - 0.04, 0.8, i * 0.125 + 0.04, 0.92, p.dark)


def mystery(b: Brush, p: Palette, r: Random) -> None:
    """Fog, and footprints through it."""
    b.canvas.gradient(p.dark, p.dusk)
    for y in (0.15, 0.4, 0.65):
        b.ellipse(r.uniform(0, 1), y, r.uniform(0.4, 0.6), 0.05, colour=mix(p.ground, p.dusk, 0.5))
    for i in range(6):
        x, y = 0.08 + 0.16 * i, 0.92 - 0.035 * (i % 2)
        b.ellipse(x, y, 0.024, 0.036, colour=p.dark)
        b.ellipse(x, y + 0.047, 0.015, colour=p.dark)


def romance(b: Brush, p: Palette, r: Random) -> None:
    """Small hearts in the air."""
    b.canvas.gradient(p.sky, p.dusk)
    for _ in range(10):
        colour = mix(p.accent, p.main, r.uniform(0, 0.4))
        b.at(r.random(), r.random(), r.uniform(0.03, 0.045)).heart(colour)


def sci_fi(b: Brush, p: Palette, r: Random) -> None:
    """Stars over the rim of a planet."""
    b.canvas.gradient(p.dark, mix(p.dark, p.dusk, 0.75))
    for _ in range(40):
        b.ellipse(r.random(), r.random(), r.choice((0.006, 0.009, 0.012)), colour=p.light)
    b.ellipse(r.uniform(0.2, 0.8), 1.25, 0.75, 0.42, colour=p.ground)


def thriller(b: Brush, p: Palette, r: Random) -> None:
    """A whirl of rings."""
    b.canvas.fill(p.dusk)
    for i in range(8):
        x, y = 0.5 + 0.012 * math.sin(i * 1.3), 0.52 + 0.012 * math.cos(i * 1.3)
        b.ellipse(x, y, 0.78 - 0.095 * i, colour=p.dusk if i % 2 else p.dark)


def war(b: Brush, p: Palette, r: Random) -> None:
    """Smoke over a trench."""
    b.canvas.gradient(p.dusk, p.sky)
    for x in (r.uniform(0.1, 0.2), r.uniform(0.75, 0.85)):
        for k in range(5):
            b.ellipse(
                x + 0.02 * k, 0.62 - 0.09 * k, 0.06 + 0.018 * k, colour=mix(p.dark, p.dusk, 0.3 + 0.1 * k)
            )
    edge = [(i / 12, 0.74 + r.uniform(-0.025, 0.025)) for i in range(13)]
    b.polygon([(0, 1), (0, 0.72), *edge, (1, 0.74), (1, 1)], p.ground)
    for i in range(6):
        x = 0.08 + 0.17 * i
        b.line([(x - 0.035, 0.98), (x + 0.035, 0.89)], 0.016, p.dark)
        b.line([(x - 0.035, 0.89), (x + 0.035, 0.98)], 0.016, p.dark)


def western(b: Brush, p: Palette, r: Random) -> None:
    """A low sun between two mesas."""
    b.canvas.gradient(p.dusk, p.sky)
    b.ellipse(r.uniform(0.38, 0.62), 0.45, 0.22, colour=p.accent)
    for x, w, h in ((r.uniform(0.05, 0.15), 0.17, 0.22), (r.uniform(0.82, 0.92), 0.2, 0.28)):
        b.polygon([(x - w, 0.74), (x - w * 0.7, 0.74 - h), (x + w * 0.7, 0.74 - h), (x + w, 0.74)], p.ground)
        top, low = 0.74 - h * 0.7, 0.74 - h * 0.55
        band = [(x - w * 0.78, top), (x + w * 0.78, top), (x + w * 0.82, low), (x - w * 0.82, low)]
        b.polygon(band, mix(p.ground, p.dark, 0.4))
    b.rectangle(0, 0.73, 1, 1, mix(p.main, p.sky, 0.4))
    b.hills(0.86, 0.02, mix(p.ground, p.main, 0.5), r.uniform(0, 6), 2)
