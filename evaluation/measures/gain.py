"""How much better personalized pictures score than unpersonalized ones (paper, main table)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.statistics.intervals import (
    DEFAULT_RESAMPLING,
    Estimate,
    Resampling,
    estimate_mean,
    estimate_ratio,
)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Gain over the unpersonalized pictures, in percent."""

    mean_of_ratios: Estimate
    """Mean of each pair's own gain; pairs whose plain score is 0 cannot count. NaN without any pair."""
    ratio_of_means: Estimate
    """Gain of the mean score; steadier where some scores are near 0. NaN if the plain mean is 0."""
    num_pairs: int
    """Pairs in which both scores are known."""
    num_zero_plain: int
    """Of these, pairs that the mean of ratios leaves out."""


def measure_gain(
    scores: NDArray[np.floating],
    plain_scores: NDArray[np.floating],
    how: Resampling = DEFAULT_RESAMPLING,
) -> Gain:
    """Compare the scores of pictures with those of their unpersonalized twins.

    Args:
        scores: `[N]` scores, at least 0; NaN where unknown.
        plain_scores: `[N]` scores of the twins, at least 0; NaN where unknown.
        how: the intervals are made.

    Raises:
        ValueError: if the shapes differ or a score is below 0 (a ratio of such scores means nothing).
    """
    if scores.shape != plain_scores.shape:
        raise ValueError(f"scores are {scores.shape} and plain scores {plain_scores.shape}; they are pairs.")
    is_pair = ~(np.isnan(scores) | np.isnan(plain_scores))
    own, plain = scores[is_pair], plain_scores[is_pair]
    if np.any(own < 0) or np.any(plain < 0):
        raise ValueError("scores must be at least 0: clamp them, as the CLIP score does, before comparing.")
    counts = plain > 0
    ratios = own[counts] / plain[counts]
    return Gain(
        mean_of_ratios=_percent(estimate_mean(ratios, how)),
        ratio_of_means=_percent(estimate_ratio(own, plain, how) if counts.any() else estimate_mean(ratios)),
        num_pairs=len(own),
        num_zero_plain=int(np.sum(~counts)),
    )


def _percent(ratio: Estimate) -> Estimate:
    """From a multiple to what is added, in percent."""
    mean, low, high = (100.0 * (value - 1.0) for value in (ratio.mean, ratio.low, ratio.high))
    return replace(ratio, mean=mean, low=low, high=high)
