"""What a poster artist does where a caption is silent: colours by the genres, a style by the decade."""

from collections.abc import Sequence
from random import Random

from fan_model.studio.posters.genres import GENRES_BY_NAME
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.styles import STYLES

HABIT_SHARES = (0.7, 0.2, 0.1)
"""How often the first, second and third choice of a habit is taken."""
GENRE_SHARES = ((1.0,), (0.5, 0.5), (0.45, 0.4, 0.15), (0.45, 0.35, 0.12, 0.08))
"""About how much of a poster is in the colours of its first, second ... genre, by how many it has."""
STYLE_HABITS: dict[str | None, tuple[str, str, str]] = {
    "1930s": ("line", "oil", "flat"),
    "1940s": ("oil", "line", "watercolor"),
    "1950s": ("watercolor", "halftone", "oil"),
    "1960s": ("halftone", "flat", "watercolor"),
    "1970s": ("oil", "watercolor", "halftone"),
    "1980s": ("pixel", "halftone", "flat"),
    "1990s": ("halftone", "pixel", "flat"),
    "2000s": ("flat", "line", "watercolor"),
    "2010s": ("watercolor", "flat", "line"),
    None: ("flat", "watercolor", "oil"),
}
"""The styles that each decade likes; None: a caption without a year."""


def choose_palette(genre: str, random: Random) -> str:
    """Draw a palette by a genre's habit."""
    return random.choices(GENRES_BY_NAME[genre].habit, HABIT_SHARES)[0]


def choose_style(era: str | None, random: Random) -> str:
    """Draw a style by a decade's habit."""
    return random.choices(STYLE_HABITS[era], HABIT_SHARES)[0]


def palette_shares(genres: Sequence[str]) -> list[float]:
    """Return how much of each palette posters of these genres have on average; sums to 1."""
    shares = dict.fromkeys(PALETTES, 0.0)
    rows = GENRE_SHARES[min(len(genres), len(GENRE_SHARES)) - 1]
    for genre, part in zip(genres, rows, strict=False):
        for palette, share in zip(GENRES_BY_NAME[genre].habit, HABIT_SHARES, strict=True):
            shares[palette] += part * share
    return list(shares.values())


def style_shares(era: str | None) -> list[float]:
    """Return how often each style is taken in a decade; sums to 1."""
    shares = dict.fromkeys(STYLES, 0.0)
    for style, share in zip(STYLE_HABITS[era], HABIT_SHARES, strict=True):
        shares[style] += share
    return list(shares.values())
