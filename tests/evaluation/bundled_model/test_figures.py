"""The bundled model and its judge: what they recognise and draw."""

import csv
from pathlib import Path

import numpy as np
import pytest

from evaluation.bundled_model.figures import Drawer, Recognizer, count_named
from evaluation.bundled_model.fused_taste import measure_implied_taste, measure_personalization
from evaluation.bundled_model.sheets import CASES, FILMS
from evaluation.measures.judge import ClipJudge
from evaluation.measures.recognition import accuracy
from fan_model.bundled import JUDGE_FOLDER, PIPELINE_FOLDER
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec, render
from fan_model.studio.posters.styles import STYLES


@pytest.fixture(scope="module")
def judge():
    return ClipJudge.from_pretrained(JUDGE_FOLDER)


@pytest.fixture(scope="module")
def drawer():
    return Drawer.load(PIPELINE_FOLDER)


@pytest.fixture(scope="module")
def recognizer(judge):
    return Recognizer.of(judge)


def test_pipeline_and_judge_are_at_most_40_megabytes():
    files = [
        file for folder in (PIPELINE_FOLDER, JUDGE_FOLDER) for file in folder.rglob("*") if file.is_file()
    ]
    assert sum(file.stat().st_size for file in files) <= 40_000_000


def test_the_judge_is_not_the_encoder_that_draws(judge, drawer):
    assert not judge.shares_text_encoder(drawer.artist.token_embeddings)


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


def test_what_is_named_is_counted_by_the_number_of_genres_and_by_what_is_told():
    specs = [
        PosterSpec(("Horror",), style="oil"),
        PosterSpec(("Horror", "War"), "neon", era="1980s"),
        PosterSpec(("War", "Drama", "Crime"), "neon", "oil"),
    ]
    found = {
        "genre": np.zeros((3, len(GENRES))),
        "palette": np.eye(len(PALETTES))[[PALETTES.index(name) for name in ("crimson", "neon", "cold")]],
        "style": np.eye(len(STYLES))[[tuple(STYLES).index("oil")] * 3],
    }
    for row, genre in ((0, "Horror"), (1, "Horror"), (1, "Drama"), (2, "War"), (2, "Drama"), (2, "Comedy")):
        found["genre"][row, GENRES.index(genre)] = 1
    named = count_named(found, specs)
    assert named["genre_accuracy"] == 1
    assert named["two_genres_recall"] == 0.5
    assert named["three_genres_recall"] == pytest.approx(2 / 3)
    assert (named["palette_accuracy"], named["palette_habit_share"]) == (0.5, 1.0)
    assert named["style_accuracy"] == 1
    assert np.isnan(named["style_habit_share"])


def test_implied_taste_is_measured_at_each_alpha(drawer, recognizer):
    figures = measure_implied_taste(drawer, recognizer, num_pairs=2, alphas=(0.4,))
    assert set(figures) == {
        f"implied_{name}_alpha_0.4" for name in ("genre_accuracy", "palette_probability", "style_probability")
    }
    assert all(0 <= figure <= 1 for figure in figures.values())


@pytest.mark.whole
def test_references_that_agree_bring_their_palette_into_the_picture(drawer, recognizer):
    figures = measure_personalization(drawer, recognizer, num_pairs=8, alphas=(0.0, 0.8))
    assert figures["palette_probability_alpha_0.8"] > figures["palette_probability_alpha_0.0"]
    assert {key.rpartition("_")[2] for key in figures} == {"0.0", "0.8"}


def test_the_sheet_of_alphas_shows_every_style():
    assert {style for _, (_, style) in CASES} == set(STYLES)


def test_the_films_of_the_sheet_are_items_of_the_sample():
    sample = Path(__file__).parents[3] / "sample" / "ml-latest-small" / "movies.csv"
    with sample.open(encoding="utf-8") as file:
        genres = {row["title"]: row["genres"].lower().replace("|", " ") for row in csv.DictReader(file)}
    for film in FILMS:
        title, named = film.rsplit(", ", 1)
        name, year = title.rsplit(" (", 1)
        filed = f"{name[4:]}, The ({year}" if name.startswith("The ") else title
        assert genres[filed] == named
