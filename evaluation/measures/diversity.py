"""How unlike pictures are: within one user's, and between users'.

Letters: P pictures, d width of the judge's space.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """Mean cosine distance (0 to 2) of each of P pictures to others, each field `[P]`."""

    within: NDArray[np.float64]
    """To the same user's other pictures; NaN for a user with one picture."""
    between: NDArray[np.float64]
    """To other users' pictures; NaN if there is one user."""


def measure_diversity(images: NDArray[np.floating], owners: NDArray[np.integer]) -> Diversity:
    """Measure how unlike each picture is to the user's other pictures, and to other users'.

    Args:
        images: `[P, d]` unit vectors of pictures.
        owners: `[P]` user for whom each picture was drawn.
    """
    distances = 1 - images.astype(np.float64) @ images.T.astype(np.float64)
    same_user = owners[:, None] == owners[None]
    others = same_user & ~np.eye(len(images), dtype=bool)
    return Diversity(within=_mean_where(distances, others), between=_mean_where(distances, ~same_user))


def _mean_where(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of each row over the mask, NaN for an empty one."""
    counts = mask.sum(axis=1)
    summed = np.where(mask, values, 0.0).sum(axis=1)
    return np.divide(summed, counts, out=np.full(len(values), np.nan), where=counts > 0)
