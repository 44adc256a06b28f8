"""CLIP score: how well a picture suits a text.

Letters: N artworks, R references of all artworks together, d width of the judge's shared space.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def clip_score(images: Floats, texts: Floats, *, lowest: float = 0.0) -> NDArray[np.float64]:
    """CLIP score of pairs: `max(100 cos(image, text), lowest)` (Hessel et al. 2021, CLIPScore, with w = 100).

    Args:
        images: `[..., d]` vectors of pictures, of any length above 0.
        texts: `[..., d]` vectors of texts; broadcast against `images`.
        lowest: floor of the score. -100 leaves the cosine as it is, for differences of scores near 0.

    Returns:
        `[...]` scores in `[lowest, 100]`.

    Raises:
        ValueError: if a vector is zero or not finite.
    """
    cosine = np.sum(_unit(images, "images") * _unit(texts, "texts"), axis=-1)
    return np.clip(100.0 * cosine, lowest, 100.0)


@dataclass(frozen=True, kw_only=True)
class ArtworkScores:
    """CLIP scores of N artworks, each field `[N]`.

    A history score is NaN for an artwork without references, a plain one for an artwork without a plain twin.
    """

    target: NDArray[np.float64]
    """Picture against the text of its target."""
    history: NDArray[np.float64]
    """Picture against its references: mean score, weighted by preference strength."""
    plain_target: NDArray[np.float64]
    """The unpersonalized picture against the text of the target."""
    plain_history: NDArray[np.float64]
    """The unpersonalized picture against the same references."""


def measure_artworks(
    *,
    images: Floats,
    plain_images: Floats,
    targets: Floats,
    references: Floats,
    weights: Floats,
    artwork_of_reference: NDArray[np.integer],
    lowest: float = 0.0,
) -> ArtworkScores:
    """Score artworks and their unpersonalized twins against target and references.

    Args:
        images: `[N, d]` pictures.
        plain_images: `[N, d]` the same pictures without personalization; a row of NaN where there is none.
        targets: `[N, d]` texts of the targets.
        references: `[R, d]` texts of all references.
        weights: `[R]` preference strengths, above 0.
        artwork_of_reference: `[R]` which artwork (0 to N - 1) each reference belongs to.
        lowest: floor of each single score, see `clip_score`.

    Raises:
        ValueError: if shapes disagree, an index is outside the artworks, or a weight is not above 0.
    """
    _check_references(len(images), references, weights, artwork_of_reference)
    has_plain = np.asarray(np.isfinite(plain_images).all(axis=1))
    plain = np.where(has_plain[:, None], plain_images, images)

    def history(pictures: Floats) -> NDArray[np.float64]:
        scores = clip_score(pictures[artwork_of_reference], references, lowest=lowest)
        return _weighted_mean(scores, weights, artwork_of_reference, len(images))

    return ArtworkScores(
        target=clip_score(images, targets, lowest=lowest),
        history=history(images),
        plain_target=np.where(has_plain, clip_score(plain, targets, lowest=lowest), np.nan),
        plain_history=np.where(has_plain, history(plain), np.nan),
    )


def _weighted_mean(
    scores: Floats, weights: Floats, groups: NDArray[np.integer], num_groups: int
) -> NDArray[np.float64]:
    """Mean of the scores of each group, NaN for an empty one."""
    total = np.bincount(groups, weights, minlength=num_groups)
    summed = np.bincount(groups, weights * scores, minlength=num_groups)
    return np.divide(summed, total, out=np.full(num_groups, np.nan), where=total > 0)


def _unit(vectors: Floats, name: str) -> NDArray[np.float64]:
    vectors = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.all(np.isfinite(norms) & (norms > 0)):
        num_wrong = int(np.sum(~(np.isfinite(norms) & (norms > 0))))
        raise ValueError(f"{num_wrong} of the {norms.size} vectors in {name} are zero or not finite.")
    return vectors / norms


def _check_references(
    num_artworks: int, references: Floats, weights: Floats, artwork_of_reference: NDArray[np.integer]
) -> None:
    if not len(references) == len(weights) == len(artwork_of_reference):
        raise ValueError(
            f"{len(references)} references, {len(weights)} weights and {len(artwork_of_reference)} indices "
            "of artworks must be equally many."
        )
    if not np.all((artwork_of_reference >= 0) & (artwork_of_reference < num_artworks)):
        raise ValueError(f"artwork_of_reference must lie in 0 to {num_artworks - 1}, the artworks given.")
    if not np.all(weights > 0):
        raise ValueError(
            "weights must be above 0: a reference without preference is dropped before profiling."
        )
