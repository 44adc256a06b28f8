"""What a judge recognises in pictures: classes named by texts (Radford et al. 2021, section 3.1).

Letters: N pictures, C classes, d width of the judge's shared space.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def class_prototypes(texts: Floats, labels: NDArray[np.integer], num_classes: int) -> NDArray[np.float64]:
    """Average the texts that name each class.

    Args:
        texts: `[M, d]` vectors of texts.
        labels: `[M]` the class that each text names.
        num_classes: C; every class needs a text.

    Returns:
        `[C, d]` unit vectors.

    Raises:
        ValueError: if a class has no text.
    """
    missing = sorted(set(range(num_classes)) - set(labels.tolist()))
    if missing:
        raise ValueError(f"no text names the classes {missing}: give at least one text for each class")
    means = np.stack([texts[labels == label].mean(0, dtype=np.float64) for label in range(num_classes)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def class_probabilities(images: Floats, prototypes: Floats, *, scale: float) -> NDArray[np.float64]:
    """Return `softmax(scale * cos(image, prototype))`.

    Args:
        images: `[N, d]` unit vectors of pictures.
        prototypes: `[C, d]` unit vectors of classes.
        scale: the judge's own factor, `exp(logit_scale)`.

    Returns:
        `[N, C]` probabilities, each row summing to 1.
    """
    logits = scale * (images.astype(np.float64) @ prototypes.T)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def accuracy(probabilities: Floats, labels: NDArray[np.integer]) -> float:
    """Return the share of pictures whose likeliest class is the right one, 0..1; NaN without pictures."""
    return float((probabilities.argmax(axis=1) == labels).mean()) if len(labels) else float("nan")


def recall(probabilities: Floats, present: NDArray[np.bool_]) -> float:
    """Return the share of present classes that are among the likeliest, as many as there are.

    Args:
        probabilities: `[N, C]`
        present: `[N, C]` the classes that each picture shows, at least one.

    Returns:
        0..1; NaN without pictures.
    """
    if not len(present):
        return float("nan")
    ranks = (-probabilities).argsort(axis=1).argsort(axis=1)
    num_present = present.sum(axis=1, keepdims=True)
    return float(((ranks < num_present) & present).sum() / present.sum())
