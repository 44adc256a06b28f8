"""A taste on a poster: the item stays, what nobody told follows the taste."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES_BY_NAME
from fan_model.studio.posters.habits import STYLE_HABITS
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import render
from fan_model.studio.posters.poster_tastes import OF_ITS_GENRE, lean, sample_liked, sample_taste
from fan_model.studio.posters.specs import PosterSpec
from fan_model.studio.posters.styles import STYLES
from tests.fan_model.studio.test_posters import SPECS

SEEDS = st.integers(0, 10**6)
NOIR = PosterSpec(("Film-Noir",), era="1940s")
BADGE = slice(86, 108), slice(90, 112)
"""Rows and columns in which the first badge stands."""


def pixels(spec, taste=None, seed=0):
    return np.asarray(render(spec, seed, taste)).astype(float)


@given(spec=SPECS, seed=SEEDS)
def test_what_a_caption_tells_no_taste_changes(spec, seed):
    leant = lean(spec, sample_taste(Random(seed)))
    assert (leant.genres, leant.era, leant.composition) == (spec.genres, spec.era, spec.composition)
    assert leant.palette == spec.palette or spec.palette is None
    assert leant.style == spec.style or spec.style is None


@given(seed=SEEDS)
def test_colours_and_style_that_nobody_told_are_those_of_the_taste(seed):
    taste = sample_taste(Random(seed))
    leant = lean(PosterSpec(("Comedy",), era="2000s"), taste)
    assert leant.palette == taste.palette or leant.palette == GENRES_BY_NAME[taste.genres[0]].habit
    assert leant.style == (taste.style or (STYLE_HABITS[taste.era] if taste.era else None))


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_a_poster_that_leans_is_a_poster_and_the_same_again(spec, seed):
    taste = sample_taste(Random(seed))
    poster = render(spec, seed, taste)
    assert (poster.size, poster.mode) == ((128, 128), "RGB")
    assert poster.tobytes() == render(spec, seed, taste).tobytes()


def test_the_genre_of_a_taste_is_a_badge_on_a_poster_that_does_not_show_it():
    told = PosterSpec(("Western",), "warm", "flat")
    plain, leaning = pixels(told), pixels(told, NOIR)
    assert np.abs(plain - leaning)[BADGE].mean() > 30
    away = np.abs(plain - leaning)[:60, :60]
    assert away.max() == 0
    assert np.array_equal(pixels(told, PosterSpec(("Western",))), plain)


@pytest.mark.parametrize("others", [("War",), ("War", "Drama"), ("War", "Drama", "Comedy")])
def test_a_badge_of_a_taste_leaves_those_of_the_poster(others):
    told = PosterSpec(("Western", *others), "warm", "flat")
    plain, leaning = pixels(told), pixels(told, NOIR)
    if len(others) == 3:
        assert np.array_equal(plain, leaning)
    else:
        changed = np.abs(plain - leaning)[BADGE].mean()
        assert (changed > 0) == (len(others) == 1)


def test_the_scene_of_a_comedy_takes_on_the_colours_of_a_taste():
    spec = PosterSpec(("Comedy", "Romance"), style="flat")
    leaning = pixels(spec, NOIR)
    grey = np.abs(leaning - leaning.mean(-1, keepdims=True)).mean()
    assert grey < 0.2 * np.abs(pixels(spec) - pixels(spec).mean(-1, keepdims=True)).mean()


def test_most_of_what_is_liked_is_of_the_taste_and_not_all():
    taste = PosterSpec(("Horror",), palette="neon", style="oil", era="1980s")
    liked = [sample_liked(taste, Random(seed)) for seed in range(600)]
    shares = {
        "genre": np.mean(["Horror" in spec.genres for spec in liked]),
        "era": np.mean([spec.era == "1980s" for spec in liked]),
        "palette": np.mean([spec.palette == "neon" for spec in liked]),
    }
    assert OF_ITS_GENRE < shares["genre"] < 0.9
    assert 0.65 < shares["era"] < 0.8
    assert 0.8 < shares["palette"] < 0.9
    assert {spec.palette for spec in liked} == {"neon", None}
    assert all(len(set(spec.genres)) == len(spec.genres) for spec in liked)


def test_tastes_are_of_every_kind():
    tastes = [sample_taste(Random(seed)) for seed in range(1500)]
    assert set(Counter(taste.genres[0] for taste in tastes)) == set(GENRES_BY_NAME)
    assert {taste.era for taste in tastes} == {None, *ERAS}
    assert {taste.palette for taste in tastes} == {None, *PALETTES}
    assert {taste.style for taste in tastes} == {None, *STYLES}
