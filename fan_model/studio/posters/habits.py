"""What a poster artist does where a caption is silent: colours by the genres, a style by the decade.

Nothing of a habit is left to chance: whatever changes in an untold palette or style, a taste has changed it.
"""

from collections.abc import Sequence

from fan_model.studio.posters.genres import GENRES_BY_NAME
from fan_model.studio.posters.palettes import PALETTES

GENRE_SHARES = ((1.0,), (0.5, 0.5), (0.45, 0.4, 0.15), (0.45, 0.35, 0.12, 0.08))
"""About how much of a poster is in the colours of its first, second ... genre, by how many it has."""
STYLE_HABITS: dict[str | None, str] = {
    "1930s": "line",
    "1940s": "oil",
    "1950s": "watercolor",
    "1960s": "halftone",
    "1970s": "oil",
    "1980s": "pixel",
    "1990s": "halftone",
    "2000s": "flat",
    "2010s": "watercolor",
    None: "flat",
}
"""The style of each decade; None: a caption without a year."""


def palette_shares(genres: Sequence[str]) -> list[float]:
    """Return about how much of a poster of these genres is in each palette; sums to 1."""
    shares = dict.fromkeys(PALETTES, 0.0)
    rows = GENRE_SHARES[min(len(genres), len(GENRE_SHARES)) - 1]
    for genre, part in zip(genres, rows, strict=False):
        shares[GENRES_BY_NAME[genre].habit] += part
    return list(shares.values())
