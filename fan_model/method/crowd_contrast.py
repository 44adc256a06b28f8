"""Crowd contrast: a target moves only along what sets a user apart from everybody.

What everybody likes says nothing about one user, and costs the target as much as what does.
With A(X) = softmax(Q K_X' / sqrt(d)) V_X, a layer goes on with

    H = A(T) + s (sum_i w_i A(R_i) - sum_j v_j A(C_j))

in place of the paper's (1 - alpha) A(T) + alpha sum_i w_i A(R_i). T is the target, R_i and w_i are the user's
references and their weights, C_j and v_j those of the crowd; both weights sum to 1, and s is how far to go.
A user whose references are the crowd's gets the plain picture, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

FloatArray = npt.NDArray[np.floating]

MAX_CROWD = 64
"""Texts of a crowd: a few stand for a population well."""
ROUNDS = 30
"""Of k-means, which has settled long before."""
LEAST_SHARE = 1e-9
"""What is left of a text that the user and the crowd weigh alike, by rounding alone."""


@dataclass(frozen=True)
class Crowd:
    """What everybody likes: a few texts that stand for a population."""

    texts: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    """One per text, above 0; only their proportions matter."""

    def __bool__(self) -> bool:
        """Whether there is anything to contrast with."""
        return bool(self.texts)


NOBODY = Crowd()


@validated(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class CrowdPolicy:
    """Which crowd stands for a population, and how long."""

    size: Annotated[
        int,
        Field(
            ge=2,
            le=MAX_CROWD,
            description="Texts of the crowd. Each costs as much as a reference; six stand for a population "
            "nearly as well as two dozen.",
        ),
    ] = 6
    least_users: Annotated[
        int,
        Field(ge=1, description="A text that fewer users like is no part of it, so that it tells of nobody."),
    ] = 5
    max_drift: Annotated[
        float,
        Field(
            ge=0,
            le=2,
            description="The crowd stays until what everybody likes has moved by more than this (1 - cosine "
            "of the means): another crowd redraws every personal picture.",
        ),
    ] = 0.02


def choose_crowd(
    vectors: FloatArray, weights: FloatArray, size: int
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Choose the few texts that stand for a population: the ones nearest to the centers of weighted k-means.

    Args:
        vectors: [N, d] unit vectors of what the population likes.
        weights: [N] how much it likes each, above 0.
        size: texts of the crowd, at least 1; all N if there are no more.

    Returns:
        Places [k] among the texts, k <= size, and their weights [k], which sum to 1: what of the population
        each stands for. The same input gives the same crowd.
    """
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    points = np.asarray(vectors, np.float64)
    if len(points) <= size:
        return np.arange(len(points)), shares
    centers = points[_spread(points, shares, size)]
    for _ in range(ROUNDS):
        nearest = _nearest(points, centers)
        centers = np.stack([_center(points, shares, nearest == k, centers[k]) for k in range(size)])
    nearest = _nearest(points, centers)
    groups = [np.flatnonzero(nearest == k) for k in range(size)]
    chosen = [
        (group[_nearest(centers[k : k + 1], points[group])[0]], shares[group].sum())
        for k, group in enumerate(groups)
        if len(group)
    ]
    return np.array([place for place, _ in chosen], np.int64), np.array([share for _, share in chosen])


def _spread(points: FloatArray, shares: FloatArray, size: int) -> list[int]:
    """Places to start from: the weightiest, then again and again what is weighty and far from those."""
    chosen = [int(np.argmax(shares))]
    distances = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < size:
        chosen.append(int(np.argmax(shares * distances)))
        np.minimum(distances, ((points - points[chosen[-1]]) ** 2).sum(axis=1), out=distances)
    return chosen


def _nearest(points: FloatArray, centers: FloatArray) -> npt.NDArray[np.intp]:
    """[N] which center each point is nearest to."""
    return np.argmin((centers**2).sum(axis=1) - 2 * points @ centers.T, axis=1)


def _center(
    points: FloatArray, shares: FloatArray, members: npt.NDArray[np.bool_], before: FloatArray
) -> FloatArray:
    """The weighted mean of a group, or where it was if the group has become empty."""
    weight = shares[members].sum()
    return shares[members] @ points[members] / weight if weight > 0 else before


def normalize_weights(weights: Sequence[float]) -> tuple[float, ...]:
    """w_i = W_i / sum W."""
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def contrast_shares(texts: Sequence[str], weights: Sequence[float], crowd: Crowd) -> dict[str, float]:
    """What a text counts for in the difference of a user's references and the crowd's: w_i - v_j.

    Args:
        texts: references of the user.
        weights: one per reference, above 0; only their proportions matter.
        crowd: what to contrast with.

    Returns:
        Shares by text, those of the references first; they sum to 0, and a text that both weigh alike is left
        out.
    """
    shares: dict[str, float] = {}
    for text, weight in zip(texts, normalize_weights(weights), strict=True):
        shares[text] = shares.get(text, 0.0) + weight
    for text, weight in zip(crowd.texts, normalize_weights(crowd.weights), strict=True):
        shares[text] = shares.get(text, 0.0) - weight
    return {text: share for text, share in shares.items() if abs(share) > LEAST_SHARE}
