"""Other ways to select references from a history, to compare tailored profiling with.

Each returns places in the history, `[k]`, distinct, in the order of selection; a history no larger than k is
kept whole. Letters: H references in the history, k of them kept, d width.
"""

import logging
from collections.abc import Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

# The library sets its own logger to the lowest level, and would tell the terminal of every index.
logging.getLogger("bm25s").setLevel(logging.WARNING)

Floats = NDArray[np.floating]
Places = NDArray[np.int64]

NUM_STARTING_POINTS = 10
"""Size of the random sample that the coreset starts from, as in PatchCore, and in DrUM after it."""


def select_random(history_size: int, num_references: int, generator: np.random.Generator) -> Places:
    """Select at random, each reference as likely as any other."""
    return generator.permutation(history_size)[:num_references]


def select_recent(event_times: NDArray[np.datetime64], num_references: int) -> Places:
    """Select the references met last, latest first.

    Args:
        event_times: `[H]` when the user last met each reference.
        num_references: k.
    """
    return _highest(event_times.astype("datetime64[us]").astype(np.int64), num_references)


def select_similar(similarity: Floats, num_references: int) -> Places:
    """Select the references most similar to the target, by nothing else, most similar first.

    Args:
        similarity: `[H]` similarity of each reference to the target.
        num_references: k.
    """
    return _highest(similarity, num_references)


def select_bm25(target: str, references: Sequence[str], num_references: int) -> Places:
    """Select the references whose words match the target's best, by BM25 over the user's own history.

    Args:
        target: the query.
        references: `[H]` texts, the collection.
        num_references: k.
    """
    query, *documents = bm25s.tokenize([target, *references], return_ids=False, show_progress=False)
    if not query or not any(documents):
        return np.arange(min(num_references, len(references)))
    index = bm25s.BM25()
    index.index(documents, show_progress=False)
    return _highest(index.get_scores(query), num_references)


def select_coreset(features: Floats, num_references: int, generator: np.random.Generator) -> Places:
    """Select references unlike one another, whatever the target: a coreset, farthest first.

    PatchCore's approximate greedy sampler (Roth et al. 2022), which DrUM takes up: a reference's first
    distance is its mean distance to a random sample of ten; then the farthest is taken, and distances shrink
    to the nearest taken. DrUM's published code has cosines times preference in the place of distances, and so
    takes what is liked and like the rest.

    Args:
        features: `[H, d]` text features.
        num_references: k.
        generator: draws the sample of ten.
    """
    starts = generator.permutation(len(features))[:NUM_STARTING_POINTS]
    distances = _distances(features, features[starts]).mean(axis=1)
    chosen: list[int] = []
    for _ in range(min(num_references, len(features))):
        chosen.append(int(np.argmax(distances)))
        distances = np.minimum(distances, _distances(features, features[chosen[-1:]])[:, 0])
        distances[chosen] = -np.inf
    return np.array(chosen, np.int64)


def _highest(scores: NDArray[np.floating] | Places, count: int) -> Places:
    """Places of the highest scores, highest first; equal ones in their own order."""
    return np.argsort(-scores, kind="stable")[:count]


def _distances(points: Floats, centers: Floats) -> Floats:
    """Euclidean distances `[points, centers]`."""
    return np.linalg.norm(points[:, None] - centers[None], axis=-1)
