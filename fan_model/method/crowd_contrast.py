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
