"""The 18 genres of MovieLens, and how each is painted."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fan_model.studio.posters import backdrops, motifs
from fan_model.studio.posters.canvas import Brush
from fan_model.studio.posters.palettes import Palette

Painting = Callable[[Brush, Palette, Random], None]


@dataclass(frozen=True)
class Genre:
    """How a genre is painted."""

    backdrop: Painting
    motif: Painting
    habit: str
    """The palette of its colours, where a caption names none."""
    is_dark: bool = False
    """Whether its motif stands on a dark ground."""


GENRES_BY_NAME: dict[str, Genre] = {
    "Action": Genre(backdrops.action, motifs.action, "warm"),
    "Adventure": Genre(backdrops.adventure, motifs.adventure, "emerald"),
    "Animation": Genre(backdrops.animation, motifs.animation, "pastel"),
    "Children": Genre(backdrops.children, motifs.children, "pastel"),
    "Comedy": Genre(backdrops.comedy, motifs.comedy, "golden"),
    "Crime": Genre(backdrops.crime, motifs.crime, "monochrome", is_dark=True),
    "Documentary": Genre(backdrops.documentary, motifs.documentary, "earthy"),
    "Drama": Genre(backdrops.drama, motifs.drama, "sepia"),
    "Fantasy": Genre(backdrops.fantasy, motifs.fantasy, "emerald"),
    "Film-Noir": Genre(backdrops.film_noir, motifs.film_noir, "monochrome", is_dark=True),
    "Horror": Genre(backdrops.horror, motifs.horror, "crimson", is_dark=True),
    "Musical": Genre(backdrops.musical, motifs.musical, "neon"),
    "Mystery": Genre(backdrops.mystery, motifs.mystery, "cold"),
    "Romance": Genre(backdrops.romance, motifs.romance, "pastel"),
    "Sci-Fi": Genre(backdrops.sci_fi, motifs.sci_fi, "neon", is_dark=True),
    "Thriller": Genre(backdrops.thriller, motifs.thriller, "cold"),
    "War": Genre(backdrops.war, motifs.war, "earthy"),
    "Western": Genre(backdrops.western, motifs.western, "warm"),
}
GENRES = tuple(GENRES_BY_NAME)
