"""Posters drawn by rule: a spec decides the picture, and every attribute can be seen."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.palettes import PALETTES, mix, mix_palette
from fan_model.studio.posters.poster import COMPOSITIONS, PosterSpec, render, sample_spec
from fan_model.studio.posters.styles import STYLES

SPECS = st.builds(
    PosterSpec,
    genres=st.lists(st.sampled_from(GENRES), min_size=1, max_size=3, unique=True).map(tuple),
    palette=st.sampled_from(PALETTES),
    style=st.sampled_from(tuple(STYLES)),
    era=st.sampled_from((None, *ERAS)),
    composition=st.sampled_from((None, *COMPOSITIONS)),
)
WESTERN = PosterSpec(("Western",), "warm", "flat")


def pixels(spec, seed=0):
    return np.asarray(render(spec, seed)).astype(float)


@settings(max_examples=40, deadline=None)
@given(spec=SPECS, seed=st.integers(0, 10**9))
def test_every_spec_is_a_poster_of_128_pixels_and_the_same_again(spec, seed):
    poster = render(spec, seed)
    assert (poster.size, poster.mode) == ((128, 128), "RGB")
    assert poster.tobytes() == render(spec, seed).tobytes()
    assert np.asarray(poster).std() > 1


def test_the_genres_are_the_18_of_movielens_each_with_motif_backdrop_and_habit():
    assert len(GENRES) == 18
    painted = GENRES_BY_NAME.values()
    assert len({genre.motif for genre in painted}) == len({genre.backdrop for genre in painted}) == 18
    assert all(set(genre.habit) <= set(PALETTES) for genre in painted)


@pytest.mark.parametrize(
    "others",
    [
        [PosterSpec((genre,), "warm", "flat") for genre in GENRES],
        [PosterSpec(("Western",), palette, "flat") for palette in PALETTES],
        [PosterSpec(("Western",), "warm", style) for style in STYLES],
        [PosterSpec(("Western",), "warm", "flat", composition=name) for name in (None, *COMPOSITIONS)],
        [PosterSpec(("Western",), "warm", "flat", era=era) for era in ERAS],
    ],
    ids=["genres", "palettes", "styles", "compositions", "eras"],
)
def test_each_value_of_an_attribute_looks_unlike_every_other(others):
    pictures = [pixels(spec) for spec in others]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(one - other).mean() > 1.5


def test_chance_changes_a_poster_less_than_its_palette_does():
    same, other = pixels(WESTERN, seed=1), pixels(PosterSpec(("Western",), "cold", "flat"))
    assert 0 < np.abs(pixels(WESTERN) - same).mean() < np.abs(pixels(WESTERN) - other).mean()


def test_pixel_art_is_made_of_blocks_of_four():
    blocks = pixels(PosterSpec(("Horror",), "neon", "pixel")).reshape(32, 4, 32, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_specs_by_lot_use_every_value():
    specs = [sample_spec(Random(i)) for i in range(600)]
    assert {spec.palette for spec in specs} == set(PALETTES)
    assert {spec.style for spec in specs} == set(STYLES)
    assert {spec.genres[0] for spec in specs} == set(GENRES)
    assert {spec.era for spec in specs} == {None, *ERAS}
    assert {spec.composition for spec in specs} == {None, *COMPOSITIONS}
    assert set(Counter(len(spec.genres) for spec in specs)) == {1, 2, 3}


def test_a_palette_stays_near_its_own_colours():
    warm, cold = mix_palette("warm", Random(1)), mix_palette("cold", Random(1))
    assert warm.main[0] > warm.main[2]
    assert cold.main[2] > cold.main[0]


def test_mixing_nothing_or_everything_gives_either_colour():
    assert mix((1, 2, 3), (200, 100, 50), 0) == (1, 2, 3)
    assert mix((1, 2, 3), (200, 100, 50), 1) == (200, 100, 50)
