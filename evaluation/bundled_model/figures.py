"""The figures of the bundled model: captions in other words and seeds, a judge trained apart."""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from evaluation.measures.clip_score import clip_score
from evaluation.measures.judge import ClipJudge
from evaluation.measures.recognition import accuracy, class_probabilities, class_prototypes, recall
from fan_model.bundled import SKIP_LAYERS
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.studio.posters.captions import GENRE_WORDS, PALETTE_WORDS, STYLE_WORDS, TEST, write_caption
from fan_model.studio.posters.genres import GENRES, GENRES_BY_NAME
from fan_model.studio.posters.habits import STYLE_HABITS
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec, render, sample_spec
from fan_model.studio.posters.styles import STYLES

FIRST_SEED = 77_000_000
BATCH = 64

Pictures = Sequence[Image.Image]
Requests = Sequence[ArtworkRequest]


@dataclass(frozen=True)
class Drawer:
    """The artist in question, and how it draws."""

    artist: Artist
    options: DrawingOptions

    @classmethod
    def load(cls, pipeline: Path) -> "Drawer":
        """Load a pipeline, which is drawn as it says itself."""
        return cls(Artist.load(pipeline), DrawingOptions(num_references=None, skip_layers=SKIP_LAYERS))

    def draw(self, requests: Requests, alpha: float = 0.0) -> Iterator[Image.Image]:
        """Draw pictures at a degree of personalization, all references used."""
        batches = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
        for batch in tqdm(batches, desc=f"pictures, alpha {alpha}", unit="batch", leave=False, disable=None):
            for artwork in self.artist.draw(batch, replace(self.options, alpha=alpha)):
                yield Image.open(io.BytesIO(artwork.image)).convert("RGB")


@dataclass(frozen=True)
class Recognizer:
    """Names genre, palette and style of pictures: the classes are the means of texts that name them."""

    judge: ClipJudge
    prototypes: dict[str, NDArray[np.float64]]
    scale: float

    @classmethod
    def of(cls, judge: ClipJudge) -> "Recognizer":
        """Let the judge read all combinations of genre, palette and style."""
        combinations = list(product(range(len(GENRES)), range(len(PALETTES)), range(len(STYLES))))
        texts = judge.encode_texts([_describe(*combination) for combination in combinations])
        labels = np.array(combinations).T
        sizes = {"genre": len(GENRES), "palette": len(PALETTES), "style": len(STYLES)}
        prototypes = {
            name: class_prototypes(texts, labels[i], size) for i, (name, size) in enumerate(sizes.items())
        }
        return cls(judge, prototypes, float(judge.model.logit_scale.detach().exp().clamp(max=60)))

    def probabilities(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Return the probabilities of each attribute's classes, `[N, C]` each, from features of pictures."""
        return {
            name: class_probabilities(features, prototypes, scale=self.scale)
            for name, prototypes in self.prototypes.items()
        }


def measure_recognition(drawer: Drawer, recognizer: Recognizer, num_captions: int) -> dict[str, float]:
    """Measure what the judge names in rendered posters, and in what is drawn from their captions.

    Genres are counted for posters of one, and for posters of two and of three as the share of them that
    is among the judge's first two and three. Palette and style count where the caption names them; where
    it does not, for one genre, as how often the first choice of its (or the decade's) habit is named.
    """
    random = Random(FIRST_SEED)
    specs = [sample_spec(random) for _ in range(num_captions)]
    captions = [write_caption(spec, random, TEST) for spec in specs]
    requests = [ArtworkRequest(prompt=text, seed=FIRST_SEED + i) for i, text in enumerate(captions)]
    pictures = {
        "rendered": [render(spec, FIRST_SEED + i) for i, spec in enumerate(specs)],
        "drawn": list(drawer.draw(requests)),
    }
    texts = recognizer.judge.encode_texts(captions)
    figures: dict[str, float] = {}
    for kind, images in pictures.items():
        features = recognizer.judge.encode_images(images)
        figures[f"{kind}_clip_score"] = float(clip_score(features, texts).mean())
        named = count_named(recognizer.probabilities(features), specs)
        figures |= {f"{kind}_{name}": share for name, share in named.items()}
    return figures


def count_named(found: Mapping[str, NDArray[np.float64]], specs: Sequence[PosterSpec]) -> dict[str, float]:
    """Return how often the judge names genre, palette and style, told and by habit."""
    sizes = np.array([len(spec.genres) for spec in specs])
    present = np.array([[genre in spec.genres for genre in GENRES] for spec in specs])
    shares = {
        "genre_accuracy": recall(found["genre"][sizes == 1], present[sizes == 1]),
        "two_genres_recall": recall(found["genre"][sizes == 2], present[sizes == 2]),
        "three_genres_recall": recall(found["genre"][sizes == 3], present[sizes == 3]),
    }
    habits = [(GENRES_BY_NAME[spec.genres[0]].habit, STYLE_HABITS[spec.era]) for spec in specs]
    for i, (name, values) in enumerate((("palette", PALETTES), ("style", tuple(STYLES)))):
        told = [getattr(spec, name) for spec in specs]
        is_told = np.array([value is not None for value in told])
        wanted = [value or habit[i] for value, habit in zip(told, habits, strict=True)]
        labels = np.array([values.index(value) for value in wanted])
        by_habit = ~is_told & (sizes == 1)
        shares[f"{name}_accuracy"] = accuracy(found[name][is_told], labels[is_told])
        shares[f"{name}_habit_share"] = accuracy(found[name][by_habit], labels[by_habit])
    return shares


def measure_speed(drawer: Drawer) -> dict[str, float]:
    """Measure seconds a picture, of one and of sixteen at once."""
    requests = [ArtworkRequest(prompt="western film poster", seed=seed) for seed in range(16)]
    list(drawer.draw(requests[:1]))
    seconds = []
    for size in (1, 16):
        start = time.perf_counter()
        list(drawer.draw(requests[:size]))
        seconds.append((time.perf_counter() - start) / size)
    return {"seconds_single": seconds[0], "seconds_each_of_16": seconds[1]}


def _describe(genre: int, palette: int, style: int) -> str:
    colours = PALETTE_WORDS[PALETTES[palette]][genre % 4]
    return (
        f"{word_of(GENRES[genre])} film poster, {colours}, {STYLE_WORDS[tuple(STYLES)[style]][palette % 4]}"
    )


def word_of(genre: str) -> str:
    """Return what captions call a genre."""
    return GENRE_WORDS.get(genre, (genre.lower(),))[0]
