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
    habit: tuple[str, str, str]
    """The palettes that it likes, the first most: its colours where a caption names none."""
    is_dark: bool = False
    """Whether its motif stands on a dark ground."""


GENRES_BY_NAME: dict[str, Genre] = {
    "Action": Genre(backdrops.action, motifs.action, ("warm", "neon", "golden")),
    "Adventure": Genre(backdrops.adventure, motifs.adventure, ("emerald", "golden", "cold")),
    "Animation": Genre(backdrops.animation, motifs.animation, ("pastel", "neon", "emerald")),
    "Children": Genre(backdrops.children, motifs.children, ("pastel", "golden", "warm")),
    "Comedy": Genre(backdrops.comedy, motifs.comedy, ("golden", "pastel", "warm")),
    "Crime": Genre(backdrops.crime, motifs.crime, ("monochrome", "cold", "earthy"), is_dark=True),
    "Documentary": Genre(backdrops.documentary, motifs.documentary, ("earthy", "sepia", "monochrome")),
    "Drama": Genre(backdrops.drama, motifs.drama, ("sepia", "crimson", "cold")),
    "Fantasy": Genre(backdrops.fantasy, motifs.fantasy, ("emerald", "neon", "cold")),
    "Film-Noir": Genre(backdrops.film_noir, motifs.film_noir, ("monochrome", "sepia", "cold"), is_dark=True),
    "Horror": Genre(backdrops.horror, motifs.horror, ("crimson", "monochrome", "neon"), is_dark=True),
    "Musical": Genre(backdrops.musical, motifs.musical, ("neon", "golden", "warm")),
    "Mystery": Genre(backdrops.mystery, motifs.mystery, ("cold", "emerald", "sepia")),
    "Romance": Genre(backdrops.romance, motifs.romance, ("pastel", "crimson", "warm")),
    "Sci-Fi": Genre(backdrops.sci_fi, motifs.sci_fi, ("neon", "cold", "monochrome"), is_dark=True),
    "Thriller": Genre(backdrops.thriller, motifs.thriller, ("cold", "crimson", "monochrome")),
    "War": Genre(backdrops.war, motifs.war, ("earthy", "sepia", "emerald")),
    "Western": Genre(backdrops.western, motifs.western, ("warm", "earthy", "sepia")),
}
GENRES = tuple(GENRES_BY_NAME)
