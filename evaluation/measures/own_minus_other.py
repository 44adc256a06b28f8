"""Whether pictures suit their own user's history better than another user's.

Letters: P pictures, U users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class OwnMinusOther:
    """Result of a permutation test."""

    own_mean: float
    """Mean score of the pictures against their own user's history."""
    other_mean: float
    """Mean score of the same pictures against all other users' histories."""
    difference: float
    """`own_mean - other_mean`."""
    p_value: float
    """Chance, were the histories dealt to the users at random, of a difference at least as large."""
    num_permutations: int


def own_minus_other(scores: NDArray[np.floating], owners: NDArray[np.integer]) -> NDArray[np.floating]:
    """`[P]` each picture's score `[P, U]` against its owner's history, less its mean against the others'."""
    own = np.take_along_axis(scores, owners[:, None], axis=1)[:, 0]
    return own - (scores.sum(axis=1) - own) / (scores.shape[1] - 1)


def measure_own_minus_other(
    scores: NDArray[np.floating],
    owners: NDArray[np.integer],
    *,
    num_permutations: int = 9_999,
    seed: int = 0,
) -> OwnMinusOther:
    """Score the same pictures against their own and other users' histories.

    Recommended items resemble their user's history already without personalization. To measure what
    personalization adds, give the scores of the personalized pictures less those of their plain twins.

    Args:
        scores: `[P, U]` score of each picture against each user's history.
        owners: `[P]` user (0 to U - 1) for whom each picture was drawn.
        num_permutations: random deals of histories to users; the p-value is at least 1 / (this + 1).
        seed: start of the random numbers.

    Raises:
        ValueError: if there are fewer than two users, shapes disagree or a score is not finite.
    """
    _check(scores, owners)
    pictures = np.arange(len(scores))
    own = scores[pictures, owners]
    others = (scores.sum(axis=1) - own) / (scores.shape[1] - 1)
    generator = np.random.default_rng(seed)
    deals = (generator.permutation(scores.shape[1]) for _ in range(num_permutations))
    # A row's sum does not change with the deal, so the own mean alone orders the deals.
    threshold = own.mean() - 1e-12 * np.abs(own).max()
    num_as_large = sum(bool(scores[pictures, deal[owners]].mean() >= threshold) for deal in deals)
    return OwnMinusOther(
        own_mean=float(own.mean()),
        other_mean=float(others.mean()),
        difference=float((own - others).mean()),
        p_value=(1 + num_as_large) / (1 + num_permutations),
        num_permutations=num_permutations,
    )


def _check(scores: NDArray[np.floating], owners: NDArray[np.integer]) -> None:
    if scores.ndim != 2 or scores.shape[1] < 2 or len(scores) == 0:
        raise ValueError(f"scores are {scores.shape}; they must be pictures by users, of two users or more.")
    if owners.shape != (len(scores),) or not np.all((owners >= 0) & (owners < scores.shape[1])):
        raise ValueError(
            f"owners must be {len(scores)} numbers from 0 to {scores.shape[1] - 1}, a user per picture."
        )
    if not np.all(np.isfinite(scores)):
        raise ValueError(
            f"{int(np.sum(~np.isfinite(scores)))} scores are not finite. Leave their pictures out."
        )
