"""Ten palettes of eight colours, each with a little chance in hue, saturation and brightness."""

import colorsys
from dataclasses import dataclass, fields
from random import Random

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""
WHITE: Colour = (255, 255, 255)

#             sky    dusk   ground main   second accent dark   light
HEX_COLOURS = {
    "warm": "f9c46b ef7b45 b8432f d8382b f4a035 ffe08a 4a1420 fff0d0",
    "cold": "a9d6f0 4a86c5 27508a 1f6fb5 5fc0d8 e8f6ff 0e1f3f eaf6fb",
    "pastel": "fde2ea cfe7f7 cdebd0 f4a6bd a9c8f0 fff2b0 7c6b93 fffaf2",
    "neon": "1a0836 3d0f66 140a2c ff2fa8 19e3f0 b6ff2e 08030f f5e8ff",
    "monochrome": "d8d8d8 8c8c8c 5a5a5a 3f3f3f a8a8a8 f2f2f2 141414 f6f6f6",
    "sepia": "ecd9b0 c9a36b 96703f 7a5228 b98b52 f6e8c8 3a2412 f7ecd2",
    "earthy": "b0a868 7a7038 4a4420 6a4a24 7d8a44 c0883f 221c0e d4cfa6",
    "emerald": "c9ecc4 58b07a 1f6b48 128255 9bd05b f4e77a 0a2e22 effae6",
    "golden": "fff0a0 f7c81f c08a0a e0a000 fbe05a fffbd0 4a3204 fff9d0",
    "crimson": "7a0c1c a3121f 2a060c e01b2e 7c0a18 ffb3a0 120206 f8dcd4",
}
PALETTES = tuple(HEX_COLOURS)


@dataclass(frozen=True)
class Palette:
    """The colours of one poster, each by its part in the picture."""

    sky: Colour
    dusk: Colour
    ground: Colour
    main: Colour
    second: Colour
    accent: Colour
    dark: Colour
    light: Colour


def mix_palette(name: str, random: Random) -> Palette:
    """Return a palette whose colours lie near those of its name."""
    hue, saturation, value = (
        random.uniform(-0.018, 0.018),
        random.uniform(0.88, 1.1),
        random.uniform(0.92, 1.06),
    )
    colours = []
    for code in HEX_COLOURS[name].split():
        h, s, v = colorsys.rgb_to_hsv(*(byte / 255 for byte in bytes.fromhex(code)))
        h = (h + hue + random.uniform(-0.008, 0.008)) % 1
        rgb = colorsys.hsv_to_rgb(h, min(1, s * saturation), min(1, v * value))
        colours.append((int(255 * rgb[0]), int(255 * rgb[1]), int(255 * rgb[2])))
    return Palette(**{field.name: colour for field, colour in zip(fields(Palette), colours, strict=True)})


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return `a` with `share` (0..1) of it replaced by `b`."""
    red, green, blue = (int(x * (1 - share) + y * share) for x, y in zip(a, b, strict=True))
    return red, green, blue
