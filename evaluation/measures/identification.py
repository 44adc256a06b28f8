"""Whether a user can be told from the pictures: the rank of the true user among all.

Letters: P pictures, U users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Identification:
    """How well each of P pictures names its user, each field `[P]`."""

    reciprocal_rank: NDArray[np.float64]
    """1 / rank of the owner; its mean is the MRR."""
    hit_at_1: NDArray[np.float64]
    """Whether the owner ranks first."""
    hit_at_10: NDArray[np.float64]
    """Whether the owner ranks among the first ten."""


def identify_users(scores: NDArray[np.floating], owners: NDArray[np.integer]) -> Identification:
    """Rank all users for each picture by the score against their histories.

    Where users tie with the owner, each field is its expectation over all orders of the tied: a picture that
    says nothing is worth exactly what a guess is.

    Args:
        scores: `[P, U]` score of each picture against each user's history.
        owners: `[P]` user (0 to U - 1) for whom each picture was drawn.
    """
    own = np.take_along_axis(scores, owners[:, None], axis=1)
    num_above = np.sum(scores > own, axis=1)
    num_tied = np.sum(scores == own, axis=1)
    return Identification(
        reciprocal_rank=_harmonic(scores.shape[1], num_above, num_tied),
        hit_at_1=_expected_hit(num_above, num_tied, 1),
        hit_at_10=_expected_hit(num_above, num_tied, 10),
    )


def chance_reciprocal_rank(num_users: int) -> float:
    """MRR of a guess among so many users."""
    return float(np.mean(1 / np.arange(1, num_users + 1)))


def chance_hit(num_users: int, depth: int) -> float:
    """Hit rate of a guess among so many users."""
    return min(1.0, depth / num_users)


def _harmonic(
    num_users: int, num_above: NDArray[np.integer], num_tied: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Mean of 1 / rank over the ranks that the tied share."""
    sums = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, num_users + 1))])
    return (sums[num_above + num_tied] - sums[num_above]) / num_tied


def _expected_hit(
    num_above: NDArray[np.integer], num_tied: NDArray[np.integer], depth: int
) -> NDArray[np.float64]:
    """Share of the ranks that the tied share which lie within `depth`."""
    return np.clip((depth - num_above) / num_tied, 0.0, 1.0)
