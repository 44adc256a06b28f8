"""A taste, and how a poster leans towards it: what its caption leaves open follows the taste.

A taste is a spec, too: genres, a decade, seldom a palette or a style. The item stays what it is, its motif,
its scene and whatever its caption tells; colours and style that nobody told become the taste's, and its first
genre stands beside as a badge.
"""

from dataclasses import replace
from random import Random

from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.habits import STYLE_HABITS
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.specs import PosterSpec
from fan_model.studio.posters.styles import STYLES

OF_ITS_GENRE = 0.75
"""Share of what somebody likes that is of the genre of their taste."""
OF_ITS_DECADE = 0.7
OF_ITS_LOOK = 0.85
"""Share that tells the palette or style of a taste that has one."""


def sample_taste(random: Random) -> PosterSpec:
    """Draw a taste by lot."""
    return PosterSpec(
        genres=tuple(random.sample(GENRES, random.choice((1, 1, 2)))),
        palette=random.choice(PALETTES) if random.random() < 0.25 else None,
        style=random.choice(tuple(STYLES)) if random.random() < 0.25 else None,
        era=random.choice(ERAS) if random.random() < 0.8 else None,
    )


def sample_liked(taste: PosterSpec, random: Random) -> PosterSpec:
    """Draw by lot what somebody of this taste likes; most of it is of the taste, none of it must be."""
    genres = random.sample(GENRES, random.choice((1, 2, 3)))
    if random.random() < OF_ITS_GENRE:
        genres = [*taste.genres, *(genre for genre in genres if genre not in taste.genres)][: len(genres)]
        random.shuffle(genres)
    era = taste.era if random.random() < OF_ITS_DECADE else random.choice(ERAS)
    return PosterSpec(
        genres=tuple(genres),
        palette=taste.palette if random.random() < OF_ITS_LOOK else None,
        style=taste.style if random.random() < OF_ITS_LOOK else None,
        era=era,
    )


def lean(spec: PosterSpec, taste: PosterSpec) -> PosterSpec:
    """Return the spec with the colours and the style of a taste, where it tells none itself."""
    habit = STYLE_HABITS[taste.era] if taste.era else None
    return replace(
        spec,
        palette=spec.palette or taste.palette or GENRES_BY_NAME[taste.genres[0]].habit,
        style=spec.style or taste.style or habit,
    )
