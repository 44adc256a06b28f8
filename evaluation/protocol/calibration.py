"""How strongly, and where, references should act in one model: measured in what its image model consumes.

Template tokens dilute alpha, and first layers do other things in each encoder, so no default fits them all.
A case is a target and references that agree in palette and style. Of its condition we ask how like it still
is to the target's plain one, and how like it has become to the references'. Likenesses are cosines of mean
tokens, of which the mean over all texts is taken away: what all texts of an encoder have in common says
nothing.

Legend: N cases, d width.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fan_model.drawing.artist import Artist
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions

Vectors = NDArray[np.floating]

ALPHAS = tuple(tenth / 10 for tenth in range(1, 11))
"""Degrees of personalization that are tried."""
LEAST_TARGET = 0.9
"""Likeness to the target that is kept. It is what the bundled model keeps at the strongest alpha at which its
judge still recognizes the genre of every target."""
REFERENCES_PER_CASE = 4
SUBJECTS = (
    "western", "horror", "romance", "comedy", "drama", "science fiction", "war", "musical", "documentary",
    "animation", "crime", "fantasy",
)  # fmt: skip
PALETTES = ("pastel", "monochrome", "neon", "sepia", "earthy", "icy")
STYLES = ("watercolor", "flat", "photographic", "engraving", "pulp", "minimal")


@dataclass(frozen=True)
class CalibrationCase:
    """A target, and references that pull it."""

    target: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class TradeOff:
    """What one alpha with one choice of layers does, in the mean of all cases."""

    skip_layers: tuple[int, ...]
    alpha: float
    target: float
    """Likeness to the target, at most 1."""
    references: float
    """Likeness to the references, at most 1."""


@dataclass(frozen=True)
class Calibration:
    """The curve of a model, and the point that is best."""

    curve: tuple[TradeOff, ...]
    chosen: TradeOff

    @property
    def toml(self) -> str:
        """The chosen point as settings."""
        return f"[drawing]\nalpha = {self.chosen.alpha}\nskip_layers = {list(self.chosen.skip_layers)}\n"


def agreeing_cases(number: int, seed: int = 0) -> list[CalibrationCase]:
    """Film posters of one genre each, with references of other genres that agree in palette and style."""
    chance = random.Random(seed)
    return [_agreeing_case(SUBJECTS[place % len(SUBJECTS)], chance) for place in range(number)]


def cases_of_texts(texts: Sequence[str], number: int, seed: int = 0) -> list[CalibrationCase]:
    """Targets and references drawn by lot from texts of one's own.

    Raises:
        ValueError: There are too few different texts.
    """
    different = sorted(set(texts))
    if len(different) <= REFERENCES_PER_CASE:
        raise ValueError(
            f"{len(different)} different texts are too few: give more than {REFERENCES_PER_CASE}"
        )
    chance = random.Random(seed)
    drawn = [chance.sample(different, REFERENCES_PER_CASE + 1) for _ in range(number)]
    return [CalibrationCase(target, tuple(references)) for target, *references in drawn]


def skip_choices(num_layers: int) -> list[tuple[int, ...]]:
    """No layer, and the first ones up to half of them: they are skipped together."""
    counts = sorted({0, 1, 2, num_layers // 8, num_layers // 4, num_layers // 2} - {num_layers})
    return [tuple(range(count)) for count in counts]


def calibrate(
    artist: Artist,
    cases: Sequence[CalibrationCase],
    *,
    alphas: Sequence[float] = ALPHAS,
    least_target: float = LEAST_TARGET,
    report: Callable[[TradeOff], None] = lambda _: None,
) -> Calibration:
    """Measure the curve of a model, and choose the point at which references are heard best.

    Args:
        artist: Draws with the model in question; nothing is drawn.
        cases: N targets with their references.
        alphas: Degrees of personalization, each with every choice of layers.
        least_target: Likeness to the target that a point must keep to be chosen.
        report: Told of each point as soon as it is measured.
    """
    basis = _Basis.of(artist, cases)
    curve = []
    for skip_layers in skip_choices(artist.num_layers):
        for alpha in alphas:
            curve.append(basis.measure(artist, skip_layers, alpha))
            report(curve[-1])
    return Calibration(tuple(curve), choose(curve, least_target))


def choose(curve: Sequence[TradeOff], least_target: float = LEAST_TARGET) -> TradeOff:
    """Of the points that keep the target, the one most like the references; or the one that keeps it most."""
    keeping = [point for point in curve if point.target >= least_target]
    if not keeping:
        return max(curve, key=lambda point: point.target)
    return max(keeping, key=lambda point: point.references)


@dataclass(frozen=True)
class _Basis:
    """What conditions are held against."""

    requests: Sequence[ArtworkRequest]
    mean: Vectors
    """[d] of all texts."""
    targets: Vectors
    """[N, d] without the mean, of length 1."""
    references: Vectors
    """[N, d] of each case's references, likewise."""

    @classmethod
    def of(cls, artist: Artist, cases: Sequence[CalibrationCase]) -> "_Basis":
        texts = sorted({text for case in cases for text in (case.target, *case.references)})
        vectors = artist.encode_texts(texts).unit_mean_tokens
        mean = vectors.mean(axis=0)
        apart = dict(zip(texts, _unit(vectors - mean), strict=True))
        of_references = [np.mean([apart[text] for text in case.references], axis=0) for case in cases]
        return cls(
            [ArtworkRequest(prompt=case.target, references=case.references) for case in cases],
            mean,
            np.array([apart[case.target] for case in cases]),
            _unit(np.array(of_references)),
        )

    def measure(self, artist: Artist, skip_layers: tuple[int, ...], alpha: float) -> TradeOff:
        """One point of the curve."""
        options = DrawingOptions(alpha=alpha, skip_layers=skip_layers, num_references=None)
        each = [artist.condition([request], options).vectors().unit_mean_tokens for request in self.requests]
        moved = _unit(np.concatenate(each) - self.mean)
        target, references = (
            float((moved * held).sum(axis=1).mean()) for held in (self.targets, self.references)
        )
        return TradeOff(skip_layers, alpha, target, references)


def _agreeing_case(subject: str, chance: random.Random) -> CalibrationCase:
    others = chance.sample([other for other in SUBJECTS if other != subject], REFERENCES_PER_CASE)
    look = f"{chance.choice(PALETTES)}, {chance.choice(STYLES)}"
    return CalibrationCase(
        f"{subject} film poster", tuple(f"{other} film poster, {look}" for other in others)
    )


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
