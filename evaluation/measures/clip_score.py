"""CLIP score: how well a picture suits a text.

Letters: N artworks, R references of all artworks together, d width of the judge's shared space.
"""

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


def history_score(
    images: Floats, references: Floats, weights: Floats, artwork_of_reference: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Mean CLIP score of artworks against their references, weighted by preference strength.

    Args:
        images: `[N, d]` vectors of the artworks, of any length above 0.
        references: `[R, d]` texts of all references.
        weights: `[R]` preference strengths, above 0.
        artwork_of_reference: `[R]` which artwork (0 to N - 1) each reference belongs to.

    Returns:
        `[N]` scores, 0..100; NaN for an artwork without references.

    Raises:
        ValueError: if shapes disagree, an index is outside the artworks, or a weight is not above 0.
    """
    _check_references(len(images), references, weights, artwork_of_reference)
    scores = clip_score(images[artwork_of_reference], references)
    total = np.bincount(artwork_of_reference, weights, minlength=len(images))
    summed = np.bincount(artwork_of_reference, weights * scores, minlength=len(images))
    return np.divide(summed, total, out=np.full(len(images), np.nan), where=total > 0)


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
