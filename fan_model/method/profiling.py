"""Tailored profiling: which references of a history to use for one target (the paper's section 3.3).

A reference takes part by two vectors of its token states R [n, d]:

    mean of unit tokens   normalise each token, then average: the inner product of two of these is the mean
                          cosine over all token pairs, so relevance is one dot product
    unit mean of tokens   average, then normalise: the inner product is the likeness used by k-center

Legend: H references in the history, k of them kept, d width. Numpy only; stored vectors are enough.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

LEAST_DISTINCTIVENESS = 1e-3
"""Of a reference that everybody likes: enough to fill up what a user has little of."""
NO_DIFFERENCE = 1e-5
"""Of two means, as a share of how far references are from the one: no more than float32 rounds off."""


@dataclass(frozen=True)
class ReferenceVectors:
    """The two vectors of each of N texts."""

    mean_unit_tokens: FloatArray
    """[N, d] float32: mean of the unit tokens, length at most 1."""
    unit_mean_tokens: FloatArray
    """[N, d] float32: unit vector along the mean of the tokens."""

    def __len__(self) -> int:
        return len(self.mean_unit_tokens)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> "ReferenceVectors":
        """The vectors of some of the texts, in the order of `rows`."""
        return ReferenceVectors(self.mean_unit_tokens[rows], self.unit_mean_tokens[rows])

    @classmethod
    def of_tokens(cls, tokens: FloatArray) -> "ReferenceVectors":
        """Reduce token states [N, n, d], padding included, to the two vectors per text."""
        return cls(_unit(tokens).mean(axis=1), _unit(tokens.mean(axis=1)))

    @classmethod
    def join(cls, parts: Sequence["ReferenceVectors"]) -> "ReferenceVectors":
        """The vectors of the texts of all parts, in their order; there is at least one part."""
        return cls(
            np.concatenate([part.mean_unit_tokens for part in parts]),
            np.concatenate([part.unit_mean_tokens for part in parts]),
        )

    def mean(self, weights: npt.ArrayLike) -> "ReferenceVectors":
        """The weighted means [1, d] of both vectors; weights [N] are above 0, of any scale."""
        both = self.mean_unit_tokens, self.unit_mean_tokens
        return ReferenceVectors(*(weighted_mean(vectors, weights)[None] for vectors in both))


def weighted_mean(vectors: FloatArray, weights: npt.ArrayLike) -> FloatArray:
    """The mean [d] of vectors [N, d] by weights [N], which are above 0, of any scale."""
    return np.asarray(weights, np.float64) / np.sum(weights) @ vectors


@dataclass(frozen=True)
class Selection:
    """The references kept for one target, in the order in which they were selected."""

    indices: npt.NDArray[np.int64]
    """[k] places in the history."""
    relevance: FloatArray
    """[k] weight times mean cosine between the target's and the reference's tokens."""


def count_references(history_size: int, *, fraction: float | None = None, count: int | None = None) -> int:
    """How many references to keep: `max(1, round(fraction * H))` or `count`, and never more than H.

    Args:
        history_size: H, the number of references in the history.
        fraction: Share of the history to keep, above 0 and at most 1 (the paper: 0.1).
        count: Number to keep, at least 1. Exactly one of `fraction` and `count` must be given.

    Raises:
        ValueError: Neither or both are given, or one is out of its range.
    """
    if (fraction is None) == (count is None):
        raise ValueError("give exactly one of fraction and count")
    if fraction is not None and not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}; it must be above 0 and at most 1")
    if count is not None and count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    wanted = count if fraction is None else max(1, round(fraction * history_size))
    assert wanted is not None
    return min(wanted, history_size)


def select_references(
    target: ReferenceVectors,
    history: ReferenceVectors,
    weights: FloatArray | Sequence[float],
    *,
    num_references: int,
) -> Selection:
    """Keep `num_references` references that are relevant to the target and unlike one another.

    A history that is no larger is kept whole, in its own order.

    Args:
        target: Vectors of the one target.
        history: Vectors of H references.
        weights: [H] preference strengths, finite and above 0.
        num_references: k, at least 1.

    Raises:
        ValueError: Sizes do not match, or a weight is not a finite number above 0.
    """
    strengths = _checked_weights(weights, len(history))
    relevance = strengths * (history.mean_unit_tokens @ target.mean_unit_tokens[0])
    kept = np.arange(len(history))
    if num_references < len(history):
        shortlist = _most_relevant(relevance, num_references)
        likeness = history.unit_mean_tokens[shortlist] @ target.unit_mean_tokens[0]
        chosen = _k_center(
            history.unit_mean_tokens[shortlist], likeness, strengths[shortlist], num_references
        )
        kept = shortlist[chosen]
    return Selection(kept, relevance[kept])


def distinctiveness(
    history: ReferenceVectors, weights: FloatArray | Sequence[float], crowd: FloatArray
) -> FloatArray:
    """How much each reference is like what sets the user apart from the crowd: its share of the preference.

    That is the cosine of (reference - crowd) and (user - crowd), where a user is the weighted mean of the
    references. A reference that points the other way keeps the least share. Of a user whom nothing sets apart
    all references are alike.

    Args:
        history: Vectors of H references.
        weights: [H] preference strengths, finite and above 0.
        crowd: [d] weighted mean of the crowd's unit means of tokens.

    Returns:
        [H] from `LEAST_DISTINCTIVENESS` to 1.

    Raises:
        ValueError: Sizes do not match, or a weight is not a finite number above 0.
    """
    strengths = _checked_weights(weights, len(history))
    apart = history.unit_mean_tokens - crowd
    user = strengths @ apart
    # What is left of equal means is the rounding of their difference, and points anywhere.
    if np.linalg.norm(user) <= NO_DIFFERENCE * (strengths @ np.linalg.norm(apart, axis=-1)):
        return np.full(len(history), LEAST_DISTINCTIVENESS)
    cosines = _unit(apart) @ _unit(user)
    return np.clip(cosines, LEAST_DISTINCTIVENESS, 1.0)


def _most_relevant(relevance: FloatArray, num_references: int) -> npt.NDArray[np.int64]:
    """Stage one: the top round(sqrt(k / H) * H) by relevance, most relevant first."""
    history_size = len(relevance)
    size = max(num_references, round(math.sqrt(num_references / history_size) * history_size))
    return np.argsort(-relevance, kind="stable")[:size]


def _k_center(
    vectors: FloatArray, likeness_to_target: FloatArray, weights: FloatArray, num_references: int
) -> npt.NDArray[np.int64]:
    """Stage two: repeatedly take the candidate least like what is already taken, per unit of weight."""
    scores = likeness_to_target / weights
    chosen = np.empty(num_references, dtype=np.int64)
    taken = np.zeros(len(vectors), dtype=bool)
    for step in range(num_references):
        nearest = int(np.argmin(np.where(taken, np.inf, scores)))
        chosen[step], taken[nearest] = nearest, True
        np.maximum(scores, (vectors @ vectors[nearest]) / weights, out=scores)
    return chosen


def _checked_weights(weights: FloatArray | Sequence[float], history_size: int) -> FloatArray:
    strengths = np.asarray(weights, dtype=np.float32)
    if strengths.shape != (history_size,):
        raise ValueError(
            f"{strengths.size} weights for {history_size} references; give one weight per reference"
        )
    refused = int(np.count_nonzero(~(np.isfinite(strengths) & (strengths > 0))))
    if refused:
        raise ValueError(
            f"{refused} of {history_size} weights are not finite numbers above 0; "
            "such a reference is no preference: drop it before profiling"
        )
    return strengths


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
