"""What a poster shows (`PosterSpec`), and how that is drawn by lot."""

from dataclasses import dataclass
from random import Random

from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.styles import STYLES

COMPOSITIONS = ("close-up", "wide", "framed", "tilted", "minimal")
NUM_GENRES = (0.42, 0.27, 0.21, 0.06, 0.03, 0.01)
"""Shares of specs of one, two ... six genres."""


@dataclass(frozen=True)
class PosterSpec:
    """What a caption says of a poster.

    The first genre is the motif, the second the scene behind it, the third and fourth are badges; more are
    not shown.
    """

    genres: tuple[str, ...]
    palette: str | None = None
    """None: each genre is painted in the colours of its habit."""
    style: str | None = None
    """None: by the habit of the decade."""
    era: str | None = None
    composition: str | None = None


def sample_spec(random: Random) -> PosterSpec:
    """Draw a spec by lot."""
    num_genres = random.choices(range(1, len(NUM_GENRES) + 1), NUM_GENRES)[0]
    return PosterSpec(
        genres=tuple(random.sample(GENRES, num_genres)),
        palette=random.choice(PALETTES) if random.random() < 0.55 else None,
        style=random.choice(tuple(STYLES)) if random.random() < 0.55 else None,
        era=random.choice(ERAS) if random.random() < 0.6 else None,
        composition=random.choice(COMPOSITIONS) if random.random() < 0.25 else None,
    )
