"""Kernel distance of two sets of pictures: how far personalization moves pictures from plain ones.

Letters: P pictures in each set, d width of the judge's space.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import polynomial_kernel

DEGREE = 3
"""Of the kernel (cos + 1)^3: the kernel inception distance's (Bińkowski et al. 2018), on unit vectors."""


def measure_kernel_distance(
    images: NDArray[np.floating], plain_images: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Contribution of each pair to the squared maximum mean discrepancy; the mean of all is its estimate.

    The unbiased estimate for pairs (Gretton et al. 2012, equation 4): the mean over i != j of
    k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i). A picture is never compared with its own twin,
    since both come from the same noise. Equal sets are at distance 0; an estimate can fall below 0.

    Args:
        images: `[P, d]` unit vectors of pictures.
        plain_images: `[P, d]` unit vectors of the same pictures without personalization.

    Returns:
        `[P]` contributions; NaN for a single pair.
    """
    if len(images) < 2:
        return np.full(len(images), np.nan)
    across = _kernel(images, plain_images)
    terms = _kernel(images, images) + _kernel(plain_images, plain_images) - across - across.T
    np.fill_diagonal(terms, 0.0)
    return terms.sum(axis=1) / (len(images) - 1)


def _kernel(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    return polynomial_kernel(left.astype(np.float64), right.astype(np.float64), DEGREE, gamma=1.0, coef0=1.0)
