"""What a variant is worth beside the plain pictures and the whole method, for the same users."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.measures.gain import Gain, measure_gain
from evaluation.statistics.intervals import Estimate, Resampling, estimate_mean
from evaluation.statistics.power import PowerEstimate, estimate_power

Values = Mapping[str, NDArray[np.floating]]
"""`[U]` one value per user, by measure; the users are the same everywhere."""

GAINS = ("clip_target", "clip_history")
"""Measures with a zero that means nothing is there, so that ratios of them mean something."""


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
    power: Mapping[str, PowerEstimate]
    """Of the differences to the unpersonalized pictures: what these users can tell, by measure."""


def compare(values: Values, *, plain: Values, full: Values, how: Resampling) -> Comparison:
    """Compare one variant with the two that every evaluation draws.

    Args:
        values: of the variant; a measure that one of the others lacks is an error.
        plain: of the unpersonalized pictures.
        full: of the whole method.
        how: all intervals are made.
    """
    return Comparison(
        means={name: estimate_mean(value, how) for name, value in values.items()},
        minus_plain={name: estimate_mean(value - plain[name], how) for name, value in values.items()},
        minus_full={name: estimate_mean(value - full[name], how) for name, value in values.items()},
        gains={name: measure_gain(values[name], plain[name], how) for name in GAINS},
        power={name: estimate_power(value - plain[name], how.confidence) for name, value in values.items()},
    )
