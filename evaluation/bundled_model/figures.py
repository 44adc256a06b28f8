"""The figures of the bundled model: captions in other words and seeds, a judge trained apart."""

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from evaluation.measures.clip_score import clip_score
from evaluation.measures.judge import ClipJudge
from evaluation.measures.recognition import accuracy, class_probabilities, class_prototypes
from fan_model.bundled import SKIP_LAYERS
from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.studio.posters.captions import GENRE_WORDS, PALETTE_WORDS, STYLE_WORDS, TEST, write_caption
from fan_model.studio.posters.genres import GENRES
from fan_model.studio.posters.palettes import PALETTES
from fan_model.studio.posters.poster import PosterSpec, render, sample_spec
from fan_model.studio.posters.styles import STYLES

FIRST_SEED = 77_000_000
BATCH = 64
REFERENCES_PER_PAIR = 4
ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Pictures = Sequence[Image.Image]
Requests = Sequence[ArtworkRequest]


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


def measure_studio(
    artist: Artist, judge: ClipJudge, *, num_captions: int, num_pairs: int
) -> dict[str, float]:
    """Measure recognition, CLIP score, speed and personalization.

    Args:
        artist: draws with the pipeline in question.
        judge: trained apart from it.
        num_captions: test captions, each rendered and drawn.
        num_pairs: targets that name only a genre, each drawn plain and with references that agree.
    """
    recognizer = Recognizer.of(judge)
    figures = {"captions": float(num_captions), "pairs": float(num_pairs)}
    figures |= _measure_recognition(artist, recognizer, num_captions)
    figures |= _measure_speed(artist)
    return figures | measure_personalization(artist, recognizer, num_pairs)


def measure_personalization(
    artist: Artist, recognizer: Recognizer, num_pairs: int, alphas: Sequence[float] = ALPHAS
) -> dict[str, float]:
    """Measure, for each alpha, what agreeing references do to a target that names only its genre."""
    random = Random(FIRST_SEED)
    wanted = [
        (random.choice(GENRES), random.choice(PALETTES), random.choice(tuple(STYLES)))
        for _ in range(num_pairs)
    ]
    references = [_agreeing_references(palette, style, random) for _, palette, style in wanted]
    labels = _labels([PosterSpec((genre,), palette, style) for genre, palette, style in wanted])
    figures: dict[str, float] = {}
    for alpha in alphas:
        requests = [
            ArtworkRequest(prompt=f"{_word(genre)} film poster", references=texts, seed=FIRST_SEED + i)
            for i, ((genre, _, _), texts) in enumerate(zip(wanted, references, strict=True))
        ]
        features = recognizer.judge.encode_images(list(draw(artist, requests, alpha)))
        found = recognizer.probabilities(features)
        rows = np.arange(num_pairs)
        figures[f"genre_accuracy_alpha_{alpha}"] = accuracy(found["genre"], labels["genre"])
        for name in ("palette", "style"):
            figures[f"{name}_probability_alpha_{alpha}"] = float(found[name][rows, labels[name]].mean())
    return figures


def draw(artist: Artist, requests: Requests, alpha: float = 0.0) -> Iterator[Image.Image]:
    """Draw pictures at a degree of personalization, all references used, otherwise as by default."""
    options = DrawingOptions(alpha=alpha, num_references=None, skip_layers=SKIP_LAYERS)
    batches = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
    for batch in tqdm(batches, desc=f"pictures at alpha {alpha}", unit="batch", leave=False, disable=None):
        for artwork in artist.draw(batch, options):
            yield Image.open(io.BytesIO(artwork.image)).convert("RGB")


def _measure_recognition(artist: Artist, recognizer: Recognizer, num_captions: int) -> dict[str, float]:
    random = Random(FIRST_SEED)
    specs = [sample_spec(random) for _ in range(num_captions)]
    captions = [write_caption(spec, random, TEST) for spec in specs]
    requests = [ArtworkRequest(prompt=text, seed=FIRST_SEED + i) for i, text in enumerate(captions)]
    pictures = {
        "rendered": [render(spec, FIRST_SEED + i) for i, spec in enumerate(specs)],
        "drawn": list(draw(artist, requests)),
    }
    texts = recognizer.judge.encode_texts(captions)
    single = np.array([len(spec.genres) == 1 for spec in specs])
    figures: dict[str, float] = {}
    for kind, images in pictures.items():
        features = recognizer.judge.encode_images(images)
        figures[f"{kind}_clip_score"] = float(clip_score(features, texts).mean())
        for name, found in recognizer.probabilities(features).items():
            chosen = single if name == "genre" else np.ones_like(single)
            figures[f"{kind}_{name}_accuracy"] = accuracy(found[chosen], _labels(specs)[name][chosen])
    return figures


def _measure_speed(artist: Artist) -> dict[str, float]:
    requests = [ArtworkRequest(prompt="western film poster", seed=seed) for seed in range(16)]
    list(draw(artist, requests[:1]))
    seconds = []
    for size in (1, 16):
        start = time.perf_counter()
        list(draw(artist, requests[:size]))
        seconds.append((time.perf_counter() - start) / size)
    return {"seconds_single": seconds[0], "seconds_each_of_16": seconds[1]}


def _agreeing_references(palette: str, style: str, random: Random) -> tuple[str, ...]:
    specs = [PosterSpec((random.choice(GENRES),), palette, style) for _ in range(REFERENCES_PER_PAIR)]
    return tuple(write_caption(spec, random, TEST) for spec in specs)


def _labels(specs: Sequence[PosterSpec]) -> dict[str, NDArray[np.int64]]:
    return {
        "genre": np.array([GENRES.index(spec.genres[0]) for spec in specs]),
        "palette": np.array([PALETTES.index(spec.palette) for spec in specs]),
        "style": np.array([tuple(STYLES).index(spec.style) for spec in specs]),
    }


def _describe(genre: int, palette: int, style: int) -> str:
    colours = PALETTE_WORDS[PALETTES[palette]][genre % 4]
    return f"{_word(GENRES[genre])} film poster, {colours}, {STYLE_WORDS[tuple(STYLES)[style]][palette % 4]}"


def _word(genre: str) -> str:
    return GENRE_WORDS.get(genre, (genre.lower(),))[0]
