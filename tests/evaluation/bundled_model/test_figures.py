"""The bundled model and its judge: what they recognise and draw."""

import numpy as np
import pytest

from evaluation.bundled_model.figures import Recognizer, measure_personalization
from evaluation.bundled_model.sheets import CASES
from evaluation.measures.judge import ClipJudge
from evaluation.measures.recognition import accuracy
from fan_model.bundled import JUDGE_FOLDER, PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec, render
from fan_model.studio.posters.styles import STYLES


@pytest.fixture(scope="module")
def judge():
    return ClipJudge.from_pretrained(JUDGE_FOLDER)


@pytest.fixture(scope="module")
def artist():
    return Artist.load(PIPELINE_FOLDER)


@pytest.fixture(scope="module")
def recognizer(judge):
    return Recognizer.of(judge)


def test_pipeline_and_judge_are_at_most_40_megabytes():
    files = [
        file for folder in (PIPELINE_FOLDER, JUDGE_FOLDER) for file in folder.rglob("*") if file.is_file()
    ]
    assert sum(file.stat().st_size for file in files) <= 40_000_000


def test_the_judge_is_not_the_encoder_that_draws(judge, artist):
    assert not judge.shares_text_encoder(artist.token_embeddings)


@pytest.mark.whole
def test_the_judge_names_genre_palette_and_style_of_rendered_posters(recognizer):
    styles = tuple(STYLES)
    picks = [(i % 18, (i * 7) % 10, (i * 5) % 6) for i in range(180)]
    posters = [
        render(PosterSpec((GENRES[g],), PALETTES[p], styles[s]), 900_000 + i)
        for i, (g, p, s) in enumerate(picks)
    ]
    found = recognizer.probabilities(recognizer.judge.encode_images(posters))
    named = dict(zip(("genre", "palette", "style"), np.array(picks).T, strict=True))
    for name, least in (("genre", 0.9), ("palette", 0.9), ("style", 0.85)):
        assert accuracy(found[name], named[name]) >= least


@pytest.mark.whole
def test_references_that_agree_bring_their_palette_into_the_picture(artist, recognizer):
    figures = measure_personalization(artist, recognizer, num_pairs=8, alphas=(0.0, 0.8))
    assert figures["palette_probability_alpha_0.8"] > figures["palette_probability_alpha_0.0"]
    assert {key.rpartition("_")[2] for key in figures} == {"0.0", "0.8"}


def test_the_sheet_of_alphas_shows_every_style():
    assert {style for _, (_, style) in CASES} == set(STYLES)
