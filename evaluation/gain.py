"""How much better personalized pictures score than unpersonalized ones (paper, main table)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Gain over the unpersonalized pictures, in percent."""

    mean_of_ratios_percent: float
    """Mean of each pair's own gain; pairs whose plain score is 0 cannot count. NaN without any pair."""
    ratio_of_means_percent: float
    """Gain of the mean score; steadier where some scores are near 0. NaN if the plain mean is 0."""
    num_pairs: int
    """Pairs in which both scores are known."""
    num_zero_plain: int
    """Of these, pairs that the mean of ratios leaves out."""


def measure_gain(scores: NDArray[np.floating], plain_scores: NDArray[np.floating]) -> Gain:
    """Compare the scores of pictures with those of their unpersonalized twins.

    Args:
        scores: `[N]` scores, at least 0; NaN where unknown.
        plain_scores: `[N]` scores of the twins, at least 0; NaN where unknown.

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
    return Gain(
        mean_of_ratios_percent=_percent(own[counts] / plain[counts]),
        ratio_of_means_percent=_percent(own.mean() / plain.mean()) if counts.any() else float("nan"),
        num_pairs=len(own),
        num_zero_plain=int(np.sum(~counts)),
    )


def _percent(ratios: NDArray[np.floating]) -> float:
    return 100.0 * (float(np.mean(ratios)) - 1.0) if np.size(ratios) else float("nan")
