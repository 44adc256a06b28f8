"""Posters drawn by rule: a spec decides the picture, and every attribute can be seen."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fan_model.studio.posters.canvas import Canvas
from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.habits import STYLE_HABITS, palette_shares
from fan_model.studio.posters.palettes import PALETTES, mix, mix_palette
from fan_model.studio.posters.poster import COMPOSITIONS, PosterSpec, render, sample_spec
from fan_model.studio.posters.styles import STYLES

SPECS = st.builds(
    PosterSpec,
    genres=st.lists(st.sampled_from(GENRES), min_size=1, max_size=6, unique=True).map(tuple),
    palette=st.sampled_from((None, *PALETTES)),
    style=st.sampled_from((None, *STYLES)),
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
    assert {genre.habit for genre in painted} == set(PALETTES)


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


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_genre_up_to_the_fourth_is_seen(number):
    before = ("Comedy", "Thriller", "War")[:number]
    pictures = [
        pixels(PosterSpec((*before, genre), "cold", "flat")) for genre in ("Western", "Horror", "Drama")
    ]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(one - other).mean() > 1.0


def test_a_second_genre_is_the_scene_and_leaves_the_motif():
    comedy = [pixels(PosterSpec(("Comedy", genre), "golden", "flat")) for genre in ("Drama", "Thriller")]
    different = np.abs(comedy[0] - comedy[1]).mean(-1)
    assert different[44:84, 35:65].mean() < 2 < 20 < different[:16].mean()


def test_untold_colours_are_those_of_every_genre_by_its_habit():
    plain = pixels(PosterSpec(("Comedy", "Comedy"), style="flat"))
    for genre, near, far in (("Horror", "crimson", "pastel"), ("Sci-Fi", "neon", "golden")):
        scenes = [pixels(PosterSpec(("Comedy", genre), style="flat"), seed)[:20] for seed in range(12)]
        told = {
            name: pixels(PosterSpec(("Comedy", genre), name, "flat"))[:20].mean((0, 1))
            for name in (near, far)
        }
        like = [
            np.abs(scene.mean((0, 1)) - told[near]).sum() < np.abs(scene.mean((0, 1)) - told[far]).sum()
            for scene in scenes
        ]
        assert sum(like) > 6
        assert np.abs(scenes[0] - plain[:20]).mean() > 20


def test_the_untold_style_follows_the_decade():
    def in_blocks(era, seed):
        blocks = pixels(PosterSpec(("Horror",), "neon", era=era), seed).reshape(32, 4, 32, 4, 3)
        return (blocks == blocks[:, :1, :, :1]).all()

    assert all(in_blocks("1980s", seed) for seed in range(20))
    assert not any(in_blocks("1930s", seed) for seed in range(20))


@given(genres=st.lists(st.sampled_from(GENRES), min_size=1, max_size=6, unique=True))
def test_shares_of_habits_sum_to_one_and_the_first_genre_has_most(genres):
    shares = palette_shares(genres)
    assert sum(shares) == pytest.approx(1)
    assert shares[PALETTES.index(GENRES_BY_NAME[genres[0]].habit)] >= 0.3


def test_every_decade_has_a_style_and_every_style_a_decade():
    assert set(STYLE_HABITS) == {None, *ERAS}
    assert set(STYLE_HABITS.values()) == set(STYLES)


def test_an_outlined_shape_has_a_rim_and_the_ground_stays():
    canvas = Canvas()
    canvas.fill((9, 9, 9))
    canvas.outlined(lambda layer: layer.brush().rectangle(0.4, 0.4, 0.6, 0.6, (200, 0, 0)), (0, 0, 200), 5)
    painted = np.asarray(canvas.image)
    assert {tuple(colour) for colour in painted.reshape(-1, 3).tolist()} == {
        (9, 9, 9),
        (200, 0, 0),
        (0, 0, 200),
    }
    row = painted[128, :, 2] == 200
    assert row.sum() == 10


def test_chance_changes_a_poster_less_than_its_palette_does():
    same, other = pixels(WESTERN, seed=1), pixels(PosterSpec(("Western",), "cold", "flat"))
    assert 0 < np.abs(pixels(WESTERN) - same).mean() < np.abs(pixels(WESTERN) - other).mean()


def test_pixel_art_is_made_of_blocks_of_four():
    blocks = pixels(PosterSpec(("Horror",), "neon", "pixel")).reshape(32, 4, 32, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_specs_by_lot_use_every_value():
    specs = [sample_spec(Random(i)) for i in range(600)]
    assert {spec.palette for spec in specs} == {None, *PALETTES}
    assert {spec.style for spec in specs} == {None, *STYLES}
    assert {spec.genres[0] for spec in specs} == set(GENRES)
    assert {spec.era for spec in specs} == {None, *ERAS}
    assert {spec.composition for spec in specs} == {None, *COMPOSITIONS}
    assert set(Counter(len(spec.genres) for spec in specs)) == {1, 2, 3, 4, 5, 6}


def test_a_palette_stays_near_its_own_colours():
    warm, cold = mix_palette("warm", Random(1)), mix_palette("cold", Random(1))
    assert warm.main[0] > warm.main[2]
    assert cold.main[2] > cold.main[0]


def test_mixing_nothing_or_everything_gives_either_colour():
    assert mix((1, 2, 3), (200, 100, 50), 0) == (1, 2, 3)
    assert mix((1, 2, 3), (200, 100, 50), 1) == (200, 100, 50)
