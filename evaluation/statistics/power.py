"""How many users a comparison needs: what these can tell from nothing, and how many could tell the rest.

Of a paired difference with standard deviation sd over users, U users tell a mean of (z_c + z_p) sd / sqrt(U)
from 0 at confidence c (two-sided) with power p, by the normal approximation (Cohen 1988, section 2.4).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

POWER = 0.8
"""How often an effect of the stated size is to be seen."""
DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class PowerEstimate:
    """What the users at hand can tell, and how many could tell what was found."""

    smallest_effect: float
    """The smallest mean difference that these users tell from 0; NaN for fewer than two users."""
    users_needed: int | None
    """Users who tell the mean difference that was found; None where it is 0 or unknown."""


def estimate_power(
    differences: NDArray[np.floating], confidence: float = DEFAULT_CONFIDENCE, power: float = POWER
) -> PowerEstimate:
    """Estimate the power of a paired comparison from the spread of its differences.

    Args:
        differences: `[U]` one difference per user; NaN where there is none.
        confidence: of the interval that must exclude 0, between 0 and 1.
        power: how often it should, between 0 and 1.
    """
    known = differences[~np.isnan(differences)]
    if len(known) < 2:
        return PowerEstimate(smallest_effect=math.nan, users_needed=None)
    reach = float(norm.ppf((1 + confidence) / 2) + norm.ppf(power)) * float(known.std(ddof=1))
    mean = abs(float(known.mean()))
    needed = max(2, math.ceil((reach / mean) ** 2)) if mean > 0 else None
    return PowerEstimate(smallest_effect=reach / math.sqrt(len(known)), users_needed=needed)
