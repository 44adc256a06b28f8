"""Captions: varied wording that names what the poster shows, and nothing else."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fan_model.studio.posters.captions import (
    COMPOSITION_WORDS,
    EVERYDAY,
    GENRE_WORDS,
    LOOSE,
    PALETTE_WORDS,
    STYLE_WORDS,
    TEST,
    TEST_KINDS,
    VARIED,
    Wording,
    write_caption,
    write_names,
    write_title,
)
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import COMPOSITIONS, PosterSpec, sample_spec
from fan_model.studio.posters.styles import STYLES

SEEDS = st.integers(0, 10**9)


COMPLETE = {"composition": 1.0}


def names(caption, words):
    return any(word in caption for word in words)


@given(seed=SEEDS, wording=st.sampled_from([TEST, replace(LOOSE, loose=1.0, **COMPLETE)]))
def test_a_complete_caption_names_every_attribute_in_one_of_its_words(seed, wording):
    spec = sample_spec(Random(seed))
    caption = write_caption(spec, Random(seed), wording)
    assert all(names(caption, GENRE_WORDS.get(genre, (genre.lower(),))) for genre in spec.genres)
    assert spec.palette is None or names(caption, PALETTE_WORDS[spec.palette])
    assert spec.style is None or names(caption, STYLE_WORDS[spec.style])
    assert spec.composition is None or names(caption, COMPOSITION_WORDS[spec.composition])


@given(seed=SEEDS)
def test_the_year_or_the_decade_tells_the_era(seed):
    spec = PosterSpec(("War",), "sepia", "oil", era="1940s")
    caption = write_caption(spec, Random(seed))
    assert "1940s" in caption or "(194" in caption


@given(seed=SEEDS)
def test_the_same_seed_words_the_same_caption(seed):
    spec = sample_spec(Random(seed))
    assert write_caption(spec, Random(seed)) == write_caption(spec, Random(seed))


def test_a_caption_tells_nothing_that_its_spec_leaves_open():
    spec = PosterSpec(("Comedy",), composition="framed")
    bare = Wording(title=0, composition=0)
    captions = {write_caption(spec, Random(i), bare) for i in range(50)}
    assert len(captions) > 5
    for words in (PALETTE_WORDS, STYLE_WORDS, COMPOSITION_WORDS):
        assert not any(names(text, choice) for choice in words.values() for text in captions)


@given(seed=SEEDS)
def test_a_caption_names_its_genres_in_their_order(seed):
    genres = ("War", "Drama", "Western", "Comedy", "Crime", "Mystery")
    caption = write_caption(PosterSpec(genres), Random(seed), Wording(title=0))
    places = [caption.index(genre.lower()) for genre in genres]
    assert places == sorted(places)


def test_nothing_is_trained_on_the_words_of_test_captions():
    for wording in (EVERYDAY, LOOSE, VARIED):
        captions = [write_caption(sample_spec(Random(i)), Random(i), wording) for i in range(2000)]
        assert not any(names(text, TEST_KINDS) for text in captions)
    assert names(write_caption(sample_spec(Random(1)), Random(1), TEST), TEST_KINDS)


def test_there_is_a_text_for_each_genre_palette_and_style_in_their_order():
    texts = write_names(Random(3))
    choices = [GENRE_WORDS.get(genre, (genre.lower(),)) for genre in GENRES]
    choices += [PALETTE_WORDS[name] for name in PALETTES] + [STYLE_WORDS[name] for name in STYLES]
    assert all(names(text, words) for text, words in zip(texts, choices, strict=True))


def test_titles_vary():
    assert len({write_title(Random(i)) for i in range(200)}) > 150


@pytest.mark.parametrize(
    ("words", "values"), [(PALETTE_WORDS, PALETTES), (STYLE_WORDS, STYLES), (COMPOSITION_WORDS, COMPOSITIONS)]
)
def test_every_value_has_several_words(words, values):
    assert set(words) == set(values)
    assert all(len(set(choice)) >= 3 for choice in words.values())
