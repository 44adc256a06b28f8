"""Means over users with bootstrap intervals; differences of variants are paired by user."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from evaluation.gain import Gain, measure_gain

Values = Mapping[str, NDArray[np.floating]]
"""`[U]` one value per user, by measure; the users are the same everywhere."""

GAINS = ("clip_target", "clip_history")
"""Measures with a zero that means nothing is there, so that ratios of them mean something."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over users with its interval."""

    mean: float
    """NaN without any user."""
    low: float
    """Lower end of the interval; NaN for fewer than two users."""
    high: float
    """Upper end."""
    num_users: int
    """Users with a value."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def estimate_mean(
    values: NDArray[np.floating], *, confidence: float = 0.95, num_resamples: int = 9_999, seed: int = 0
) -> Estimate:
    """Estimate the mean over users, by the percentile bootstrap over users.

    Args:
        values: `[U]` one value per user; NaN where there is none.
        confidence: of the interval, between 0 and 1.
        num_resamples: samples of users drawn with replacement.
        seed: start of the random numbers.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        mean = float(known[0]) if len(known) else float("nan")
        return Estimate(mean=mean, low=float("nan"), high=float("nan"), num_users=len(known))
    interval = bootstrap(
        (known,),
        np.mean,
        confidence_level=confidence,
        n_resamples=num_resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(
        mean=float(known.mean()), low=float(interval.low), high=float(interval.high), num_users=len(known)
    )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One variant: its means, and what it changes for the same users."""

    means: Mapping[str, Estimate]
    """By measure."""
    minus_plain: Mapping[str, Estimate]
    """Paired differences to the unpersonalized pictures."""
    minus_full: Mapping[str, Estimate]
    """Paired differences to the whole method."""
    gains: Mapping[str, Gain]
    """Gain over the unpersonalized pictures, for each of `GAINS`."""


def compare(values: Values, *, plain: Values, full: Values, confidence: float, seed: int) -> Comparison:
    """Compare one variant with the two that every evaluation draws.

    Args:
        values: of the variant; a measure that one of the others lacks is an error.
        plain: of the unpersonalized pictures.
        full: of the whole method.
        confidence: of all intervals.
        seed: start of the bootstrap's random numbers.
    """

    def estimate(some: NDArray[np.floating]) -> Estimate:
        return estimate_mean(some, confidence=confidence, seed=seed)

    return Comparison(
        means={name: estimate(value) for name, value in values.items()},
        minus_plain={name: estimate(value - plain[name]) for name, value in values.items()},
        minus_full={name: estimate(value - full[name]) for name, value in values.items()},
        gains={name: measure_gain(values[name], plain[name]) for name in GAINS},
    )
