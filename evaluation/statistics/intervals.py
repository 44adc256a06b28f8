"""Means over users with bootstrap intervals.

Letters: U users.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

Floats = NDArray[np.floating]
UNKNOWN = "–"
"""What stands for a number that nobody has."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that stands for all users, with its interval."""

    mean: float
    """NaN without any user."""
    low: float
    """Lower end of the interval; NaN for fewer than two users."""
    high: float
    """Upper end."""
    num_users: int
    """Users with a value."""

    def __str__(self) -> str:
        """Difference with its interval, as in a table; without one where too few users have a value."""
        if math.isnan(self.low):
            return self.rounded("+.2f")
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"

    def rounded(self, form: str) -> str:
        """Write the mean in a form of `format`; a dash where no user has a value."""
        return UNKNOWN if math.isnan(self.mean) else f"{self.mean:{form}}"


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are made: by the percentile bootstrap over users."""

    confidence: float = 0.95
    """Of the interval, between 0 and 1."""
    num_resamples: int = 9_999
    """Samples of users drawn with replacement."""
    seed: int = 0
    """Start of the random numbers."""


DEFAULT_RESAMPLING = Resampling()
RESAMPLES_AT_A_TIME = 1_000
"""What is held in memory: so many times the users."""


def estimate_mean(values: Floats, how: Resampling = DEFAULT_RESAMPLING) -> Estimate:
    """Estimate the mean over users.

    Args:
        values: `[U]` one value per user; NaN where there is none.
        how: the interval is made.
    """
    return _estimate(np.mean, (values[~np.isnan(values)],), how)


def estimate_ratio(values: Floats, others: Floats, how: Resampling = DEFAULT_RESAMPLING) -> Estimate:
    """Estimate the mean of `values` as a multiple of the mean of `others`, resampling pairs.

    Args:
        values: `[U]` one value per user.
        others: `[U]` of the same users; at least one is above 0, none below.
        how: the interval is made.
    """
    return _estimate(_ratio_of_means, (values, others), how)


def _estimate(statistic: Callable[..., Any], samples: tuple[Floats, ...], how: Resampling) -> Estimate:
    num_users = len(samples[0])
    if num_users < 2:
        mean = float(statistic(*samples)) if num_users else float("nan")
        return Estimate(mean=mean, low=float("nan"), high=float("nan"), num_users=num_users)
    interval = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=True,
        confidence_level=how.confidence,
        n_resamples=how.num_resamples,
        batch=RESAMPLES_AT_A_TIME,
        method="percentile",
        rng=np.random.default_rng(how.seed),
    ).confidence_interval
    mean = float(statistic(*samples))
    return Estimate(mean=mean, low=float(interval.low), high=float(interval.high), num_users=num_users)


def _ratio_of_means(values: Floats, others: Floats, axis: int = -1) -> Floats:
    """NaN for a resample whose every plain score is 0."""
    below = others.mean(axis=axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, values.mean(axis=axis) / below, np.nan)
