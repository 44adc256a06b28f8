"""What references do to the bundled model's pictures: some say palette and style, others only imply them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from evaluation.bundled_model.figures import FIRST_SEED, Drawer, Recognizer, word_of
from evaluation.measures.recognition import accuracy
from fan_model.drawing.requests import ArtworkRequest
from fan_model.studio.posters.captions import TEST, write_caption
from fan_model.studio.posters.eras import ERAS
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.habits import STYLE_HABITS
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec
from fan_model.studio.posters.styles import STYLES

REFERENCES_PER_PAIR = 4
ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class TasteCase:
    """A target that names only its genre, and references that agree in palette and style."""

    genre: str
    references: tuple[str, ...]
    palette: str
    style: str


def measure_personalization(
    drawer: Drawer, recognizer: Recognizer, num_pairs: int, alphas: Sequence[float] = ALPHAS
) -> dict[str, float]:
    """Measure, for each alpha, what references that name one palette and style do to a target of a genre."""
    random = Random(FIRST_SEED)
    cases = [_told(random) for _ in range(num_pairs)]
    return _sweep(drawer, recognizer, cases, alphas, "")


def measure_implied_taste(
    drawer: Drawer, recognizer: Recognizer, num_pairs: int, alphas: Sequence[float] = ALPHAS
) -> dict[str, float]:
    """Measure the same for references that name a genre and a decade only, whose habits are others."""
    random = Random(FIRST_SEED + 1)
    cases = [_implied(random) for _ in range(num_pairs)]
    return _sweep(drawer, recognizer, cases, alphas, "implied_")


def _sweep(
    drawer: Drawer, recognizer: Recognizer, cases: Sequence[TasteCase], alphas: Sequence[float], prefix: str
) -> dict[str, float]:
    rows = np.arange(len(cases))
    genres = np.array([GENRES.index(case.genre) for case in cases])
    palettes = np.array([PALETTES.index(case.palette) for case in cases])
    styles = np.array([tuple(STYLES).index(case.style) for case in cases])
    figures: dict[str, float] = {}
    for alpha in alphas:
        requests = [
            ArtworkRequest(
                prompt=f"{word_of(case.genre)} film poster", references=case.references, seed=FIRST_SEED + i
            )
            for i, case in enumerate(cases)
        ]
        found = recognizer.probabilities(recognizer.judge.encode_images(list(drawer.draw(requests, alpha))))
        figures[f"{prefix}genre_accuracy_alpha_{alpha}"] = accuracy(found["genre"], genres)
        figures[f"{prefix}palette_probability_alpha_{alpha}"] = float(found["palette"][rows, palettes].mean())
        figures[f"{prefix}style_probability_alpha_{alpha}"] = float(found["style"][rows, styles].mean())
    return figures


def _told(random: Random) -> TasteCase:
    """Draw a case whose references name a palette and a style; their genres differ."""
    genre, palette, style = random.choice(GENRES), random.choice(PALETTES), random.choice(tuple(STYLES))
    specs = [PosterSpec((random.choice(GENRES),), palette, style) for _ in range(REFERENCES_PER_PAIR)]
    return TasteCase(genre, tuple(write_caption(spec, random, TEST) for spec in specs), palette, style)


def _implied(random: Random) -> TasteCase:
    """Draw a case whose references name a genre and a decade, whose habits are not the target's own."""
    genre = random.choice(GENRES)
    palette = GENRES_BY_NAME[genre].habit
    other = random.choice([name for name in GENRES if GENRES_BY_NAME[name].habit != palette])
    era = random.choice([name for name in ERAS if STYLE_HABITS[name] != STYLE_HABITS[None]])
    spec = PosterSpec((other,), era=era)
    references = tuple(write_caption(spec, random, TEST) for _ in range(REFERENCES_PER_PAIR))
    return TasteCase(genre, references, GENRES_BY_NAME[other].habit, STYLE_HABITS[era])
