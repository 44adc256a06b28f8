"""What each genre is known by: one function a genre, around (0, 0) with a half size of 1."""

import math
from random import Random

from fan_model.studio.posters.canvas import Brush, turned
from fan_model.studio.posters.palettes import WHITE, Palette, mix

SIDES = (-1, 1)


def action(b: Brush, p: Palette, r: Random) -> None:
    """Somebody runs out of an explosion."""
    turn = r.uniform(0, 0.5)
    b.star(1.2, 0.65, 11, p.main, turn)
    b.star(0.95, 0.55, 11, p.second, turn + 0.15)
    runner = b.at(0, 1.0, 1.75)
    runner.ellipse(0.1, -0.88, 0.11, colour=p.dark)
    runner.line([(0.06, -0.76), (-0.04, -0.42)], 0.19, p.dark)
    runner.line([(0.05, -0.7), (0.25, -0.6), (0.38, -0.75)], 0.08, p.dark)
    runner.line([(0, -0.7), (-0.2, -0.62), (-0.26, -0.42)], 0.08, p.dark)
    runner.line([(-0.02, -0.42), (0.22, -0.32), (0.2, -0.05)], 0.1, p.dark)
    runner.line([(-0.06, -0.42), (-0.14, -0.18), (-0.4, -0.12)], 0.1, p.dark)


def adventure(b: Brush, p: Palette, r: Random) -> None:
    """A flag on a peak."""
    b.polygon([(-1.2, 0.9), (-0.55, -0.25), (0.2, 0.9)], mix(p.main, p.dark, 0.35))
    b.polygon([(-0.8, 0.9), (0.15, -0.8), (1.2, 0.9)], p.main)
    snow = [(0.15, -0.8), (-0.16, -0.24), (0.02, -0.36), (0.16, -0.2), (0.3, -0.34), (0.48, -0.26)]
    b.polygon(snow, p.light)
    b.line([(-0.2, 0.9), (0.25, 0.6), (-0.1, 0.35), (0.2, 0.1), (0.05, -0.15)], 0.1, p.accent)
    b.line([(0.15, -0.78), (0.15, -1.25)], 0.06, p.dark)
    b.polygon([(0.15, -1.25), (0.6, -1.08), (0.15, -0.92)], p.second)


def animation(b: Brush, p: Palette, r: Random) -> None:
    """A bear that smiles."""
    for side in SIDES:
        b.ellipse(side * 0.6, -0.68, 0.32, colour=p.main)
        b.ellipse(side * 0.6, -0.68, 0.17, colour=p.second)
    b.ellipse(0, 0.1, 0.95, 0.9, colour=p.main)
    b.ellipse(0, 0.48, 0.5, 0.4, colour=p.light)
    for side in SIDES:
        b.ellipse(side * 0.34, -0.18, 0.27, 0.31, colour=WHITE)
        b.ellipse(side * 0.29, -0.12, 0.15, 0.18, colour=p.dark)
    b.ellipse(0, 0.25, 0.14, 0.1, colour=p.dark)
    b.arc(0, 0.36, 0.32, 0.24, (15, 165), 0.08, p.dark)


def children(b: Brush, p: Palette, r: Random) -> None:
    """Balloons, and who holds them."""
    for x, y, colour in ((-0.6, -0.3, p.main), (0.6, -0.3, p.second), (0, -0.7, p.accent)):
        b.line([(x, y + 0.4), (0, 1.0)], 0.04, p.dark)
        b.ellipse(x, y, 0.44, 0.52, colour=colour)
        b.ellipse(x - 0.15, y - 0.2, 0.09, 0.13, colour=mix(colour, WHITE, 0.6))
    b.at(0, 1.3, 0.6).person(p.dark)


def comedy(b: Brush, p: Palette, r: Random) -> None:
    """A face that laughs."""
    b.ellipse(0, 0, 1.05, colour=p.dark)
    b.ellipse(0, 0, 0.97, colour=p.accent)
    for side in SIDES:
        b.arc(side * 0.4, -0.2, 0.26, 0.28, (180, 360), 0.12, p.dark)
    b.pie(0, 0.13, 0.66, 0.62, (5, 175), p.dark)
    b.pie(0, 0.4, 0.42, 0.28, (0, 180), p.main)


def crime(b: Brush, p: Palette, r: Random) -> None:
    """Handcuffs."""
    edge = mix(p.light, p.dark, 0.35)
    for side, y in ((-1, 0.25), (1, -0.1)):
        x = side * 0.6
        b.ring(x, y, 0.56, width=0.2, colour=edge)
        b.ring(x, y, 0.52, width=0.13, colour=p.light)
        b.rectangle(x - 0.18, y - 0.64, x + 0.18, y - 0.36, edge)
    for i in range(3):
        b.ring(-0.12 + i * 0.12, 0.13 - i * 0.05, 0.1, 0.07, width=0.05, colour=p.second)


def documentary(b: Brush, p: Palette, r: Random) -> None:
    """A film camera on its tripod."""
    for x in (-0.7, 0, 0.7):
        b.line([(0, 0.4), (x, 1.15)], 0.1, p.dark)
    b.rectangle(-0.7, -0.15, 0.4, 0.5, p.main)
    b.polygon([(0.4, 0.1), (0.95, -0.2), (0.95, 0.55), (0.4, 0.25)], p.dark)
    for x, radius in ((-0.42, 0.4), (0.22, 0.34)):
        reel = b.at(x, -0.5, radius)
        reel.ellipse(0, 0, 1, colour=p.dark)
        reel.ellipse(0, 0, 0.8, colour=p.second)
        for k in range(5):
            a = k * 1.257 + 0.3
            reel.ellipse(0.45 * math.cos(a), 0.45 * math.sin(a), 0.18, colour=p.dark)
    b.ellipse(-0.4, 0.17, 0.14, colour=p.accent)


def drama(b: Brush, p: Palette, r: Random) -> None:
    """The weeping mask."""
    b.ellipse(0, -0.02, 0.78, 1.0, colour=p.dark)
    b.ellipse(0, -0.04, 0.7, 0.92, colour=p.light)
    for side in SIDES:
        eye = [(0.12, -0.4), (0.54, -0.2), (0.48, -0.03), (0.18, -0.12)]
        b.polygon([(side * x, y) for x, y in eye], p.dark)
        b.line([(side * 0.1, -0.54), (side * 0.54, -0.38)], 0.08, p.dark)
    b.arc(0, 0.64, 0.36, 0.3, (190, 350), 0.13, p.dark)
    b.ellipse(0.4, 0.17, 0.09, 0.16, colour=p.second)
    b.polygon([(-0.05, 0), (0.05, 0), (0.1, 0.24), (-0.1, 0.24)], mix(p.light, p.dark, 0.4))


def fantasy(b: Brush, p: Palette, r: Random) -> None:
    """A castle with three towers."""
    for x, w, h in ((-0.66, 0.24, 1.15), (0.66, 0.24, 1.25), (0, 0.3, 1.65)):
        tower = b.at(x, 0.95)
        tower.rectangle(-w, -h, w, 0, mix(p.main, p.light, 0.0 if x else 0.2))
        tower.polygon([(-w - 0.1, -h), (w + 0.1, -h), (0, -h - 0.55)], p.second)
        tower.rectangle(-0.09, -h + 0.17, 0.09, -h + 0.4, p.accent)
    wall = mix(p.main, p.dark, 0.35)
    b.rectangle(-1.0, 0.4, 1.0, 0.95, wall)
    for i in range(6):
        b.rectangle(-1.0 + i * 0.36, 0.26, -0.8 + i * 0.36, 0.45, wall)
    b.ellipse(0, 0.68, 0.2, colour=p.dark)
    b.rectangle(-0.2, 0.68, 0.2, 0.95, p.dark)


def film_noir(b: Brush, p: Palette, r: Random) -> None:
    """A detective in coat and hat, as a silhouette with a rim of light."""
    rim = mix(p.light, p.sky, 0.3)
    for colour, grow in ((rim, 0.09), (p.dark, 0.0)):
        coat = [(-0.95, 1.2), (-0.75, 0.55), (-0.2, 0.3), (0.2, 0.3), (0.75, 0.55), (0.95, 1.2)]
        b.polygon([(x * (1 + grow), y - grow) for x, y in coat], colour)
        b.ellipse(0, -0.05, 0.36 + grow, 0.46 + grow, colour=colour)
        b.ellipse(0, -0.3, 0.86 + grow, 0.16 + grow, colour=colour)
        hat = [(-0.46, -0.3), (-0.4, -0.85), (-0.1, -0.76), (0.1, -0.76), (0.4, -0.85), (0.46, -0.3)]
        b.polygon([(x * (1 + 2 * grow), y - grow) for x, y in hat], colour)
    b.rectangle(-0.46, -0.48, 0.46, -0.35, mix(p.light, p.ground, 0.4))
    b.line([(0.2, 0.2), (0.6, 0.12)], 0.07, p.light)
    b.ellipse(0.63, 0.1, 0.07, colour=p.accent)
    b.line([(-0.18, 0.35), (0, 0.9), (0.18, 0.35)], 0.07, p.light)


def horror(b: Brush, p: Palette, r: Random) -> None:
    """A skull."""
    b.ellipse(0, -0.2, 0.9, 0.82, colour=p.dark)
    b.ellipse(0, -0.2, 0.82, 0.75, colour=p.light)
    b.rectangle(-0.46, 0.2, 0.46, 0.88, p.light)
    for side in SIDES:
        b.ellipse(side * 0.36, -0.1, 0.25, 0.28, colour=p.dark)
        b.ellipse(side * 0.36, -0.08, 0.1, colour=p.main)
    b.polygon([(0, 0.14), (-0.13, 0.4), (0.13, 0.4)], p.dark)
    for i in range(-1, 2):
        b.line([(i * 0.23, 0.56), (i * 0.23, 0.88)], 0.07, p.dark)


def musical(b: Brush, p: Palette, r: Random) -> None:
    """Two joined notes with their shadow."""
    for shift, colour in ((0.07, p.dark), (0, p.main)):
        notes = b.at(shift, shift)
        notes.ellipse(-0.5, 0.65, 0.34, 0.27, colour=colour)
        notes.ellipse(0.5, 0.45, 0.34, 0.27, colour=colour)
        notes.rectangle(-0.32, -0.65, -0.17, 0.65, colour)
        notes.rectangle(0.68, -0.85, 0.83, 0.45, colour)
        notes.polygon([(-0.32, -0.72), (0.83, -0.98), (0.83, -0.6), (-0.32, -0.34)], colour)


def mystery(b: Brush, p: Palette, r: Random) -> None:
    """A question under a magnifying glass."""
    b.line([(0.28, 0.28), (0.98, 1.0)], 0.28, p.dark)
    b.line([(0.33, 0.33), (0.94, 0.96)], 0.15, p.main)
    glass = b.at(-0.15, -0.2)
    glass.ellipse(0, 0, 0.82, colour=p.dark)
    glass.ellipse(0, 0, 0.66, colour=p.accent)
    glass.arc(0, -0.14, 0.28, 0.28, (170, 400), 0.15, p.main)
    glass.line([(0.17, 0.02), (0, 0.14), (0, 0.26)], 0.15, p.main)
    glass.ellipse(0, 0.44, 0.1, colour=p.main)


def romance(b: Brush, p: Palette, r: Random) -> None:
    """A couple before a heart."""
    b.at(0, -0.05, 1.2).heart(mix(p.main, p.dark, 0.25))
    b.at(0, -0.07, 1.08).heart(p.main)
    for side in SIDES:
        b.at(side * 0.27, 1.15, 1.3).person(p.dark, stride=0.08)
    b.polygon([(0.12, 0.55), (0.42, 0.55), (0.6, 1.13), (0.02, 1.13)], p.dark)
    b.line([(-0.15, 0.35), (0.15, 0.35)], 0.12, p.dark)


def sci_fi(b: Brush, p: Palette, r: Random) -> None:
    """A rocket leaves a ringed planet."""
    planet = b.at(-0.25, -0.3, 0.68)
    planet.ellipse(0, 0, 1, colour=p.main)
    planet.chord(0, 0, 1, (20, 160), mix(p.main, p.dark, 0.4))
    angles = [-0.25 + (math.pi + 0.5) * i / 20 for i in range(21)]
    ring = [(1.7 * math.cos(t), 0.42 * math.sin(t) - 0.35 * math.cos(t)) for t in angles]
    planet.line(ring, 0.2, p.second)
    rocket = b.at(0.6, 0.45, 1.15)
    for shape, colour in (
        ([(-0.12, 0.5), (0.12, 0.5), (0, 0.95)], p.accent),
        ([(-0.2, 0.2), (-0.45, 0.64), (-0.12, 0.48)], p.second),
        ([(0.2, 0.2), (0.45, 0.64), (0.12, 0.48)], p.second),
        (
            [(0, -0.8), (0.17, -0.45), (0.23, 0), (0.18, 0.5), (-0.18, 0.5), (-0.23, 0), (-0.17, -0.45)],
            p.light,
        ),
    ):
        rocket.polygon(turned(shape, 0.55), colour)
    ((x, y),) = turned([(0, -0.15)], 0.55)
    rocket.ellipse(x, y, 0.11, colour=p.main)


def thriller(b: Brush, p: Palette, r: Random) -> None:
    """An eye, wide open."""
    steps = [i / 20 for i in range(21)]
    upper = [(-1.15 + 2.3 * t, -0.65 * math.sin(math.pi * t)) for t in steps]
    lower = [(1.15 - 2.3 * t, 0.6 * math.sin(math.pi * t)) for t in steps]
    b.polygon(upper + lower, p.light)
    b.ellipse(0, 0, 0.52, colour=p.main)
    b.ellipse(0, 0, 0.26, colour=p.dark)
    b.ellipse(-0.16, -0.17, 0.11, colour=WHITE)
    b.line(upper, 0.12, p.dark)
    b.line(lower, 0.08, p.dark)
    for i in range(5):
        t = 0.2 + 0.15 * i
        x, y = -1.15 + 2.3 * t, -0.65 * math.sin(math.pi * t)
        b.line([(x, y), (x + (t - 0.5) * 0.5, y - 0.28)], 0.08, p.dark)


def war(b: Brush, p: Palette, r: Random) -> None:
    """A tank under two planes."""
    track = mix(p.main, p.dark, 0.45)
    b.line([(0.2, -0.1), (1.2, -0.34)], 0.13, track)
    b.polygon([(-0.5, 0.12), (-0.36, -0.36), (0.34, -0.36), (0.54, 0.12)], p.main)
    b.polygon([(-1.05, 0.4), (-0.9, 0.08), (0.95, 0.08), (1.1, 0.4)], track)
    b.rounded(-1.1, 0.38, 1.1, 0.92, 0.26, p.dark)
    for i in range(5):
        b.ellipse(-0.82 + i * 0.41, 0.65, 0.18, colour=mix(p.main, p.light, 0.2))
    b.at(0, -0.1).star(0.2, 0.09, 5, p.accent, -math.pi / 2)
    for x, y in ((-0.55, -0.95), (0.55, -1.15)):
        b.line([(x - 0.34, y), (x + 0.34, y)], 0.1, p.dark)
        b.line([(x - 0.06, y - 0.18), (x + 0.06, y + 0.18)], 0.09, p.dark)


def western(b: Brush, p: Palette, r: Random) -> None:
    """A cactus with two arms."""
    body = mix(p.second, p.dark, 0.4 if sum(p.second) < 560 else 0.6)
    b.line([(0, 1.0), (0, -0.85)], 0.4, body)
    b.ellipse(0, -0.85, 0.2, colour=body)
    for side, y, height in ((-1, 0.25, 0.65), (1, 0.05, 0.6)):
        arm = side * 0.62
        b.line([(0, y), (arm, y)], 0.3, body)
        b.line([(arm, y + 0.14), (arm, y - height)], 0.3, body)
        b.ellipse(arm, y - height, 0.15, colour=body)
    for x in (-0.09, 0.09):
        b.line([(x, 1.0), (x, -0.8)], 0.035, mix(body, p.light, 0.4))
