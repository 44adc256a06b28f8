"""Recommendations from the interactions themselves, for who has no recommender of their own.

Letters: U users of the log, I items of the log, M users asked for, N targets per user.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight
from implicit.recommender_base import RecommenderBase
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

MODELS = ("bm25", "als")
"""Neighbours of items weighted by BM25, and matrix factorization by alternating least squares."""

TARGETS_SCHEMA = pa.schema(
    [
        ("user_key", pa.int64()),
        ("item_id", pa.string()),
        ("rank", pa.int32()),
        ("score", pa.float64()),
        ("as_of", pa.timestamp("us", tz="UTC")),
    ]
)
# Below this a score marks a place that the library left empty; BM25 cannot give zero for a true neighbour.
_LOWEST_SCORES = {"bm25": 0.0, "als": -1e30}
_LARGEST_WEIGHT = 1e3
"""Times the median: a larger one counts as this. It is a mistake, and would cost everybody their scores, for
single precision, in which factors are found, tells none apart beside one ten thousand times as large."""


def recommend_targets(
    interactions: pa.Table, users: Sequence[int], *, num_targets: int, model: str = "bm25", seed: int = 0
) -> pa.Table:
    """Recommend to each user items that the user has not met.

    The weights of a user's events with an item add up; at or below zero they count as met, not as liked.
    The result depends neither on the order of a user's events nor on chance (one thread, sorted items), nor
    on which number stands for whom: users count in the order of their first rows.

    Args:
        interactions: columns `user_key` (int64), `item_id` (text) and `weight` (number); must not be empty.
        users: whom to recommend to. Who likes nothing in the log gets nothing.
        num_targets: items per user, at least 1; fewer where the log gives no more.
        model: one of `MODELS`.
        seed: start of the factorization (`als` only).

    Returns:
        The staged columns of `targets`, by user as given and rank from 1; `as_of` is empty.

    Raises:
        ValueError: if the log has no positive weight, `num_targets` is below 1 or the model is unknown.
    """
    if model not in MODELS:
        raise ValueError(f"model {model!r} is unknown. Write one of {', '.join(MODELS)}.")
    if num_targets < 1:
        raise ValueError(f"num_targets is {num_targets}; it must be at least 1.")
    events = _add_up(interactions)
    user_keys, item_ids = pc.unique(interactions["user_key"]), _sorted_ids(events["item_id"])
    met = _matrix(events, user_keys, item_ids)
    asked = pa.array(dict.fromkeys(users), pa.int64())
    rows = pc.index_in(asked, user_keys).drop_null().to_numpy(zero_copy_only=False)
    ids, scores = _recommend(met, rows, min(num_targets, len(item_ids)), model, seed)
    return _targets(user_keys.take(rows), item_ids, ids, scores, _LOWEST_SCORES[model])


def _add_up(interactions: pa.Table) -> pa.Table:
    """One row per user and item, its weights added in a fixed order."""
    weights = interactions["weight"].cast(pa.float64())
    events = interactions.set_column(interactions.schema.get_field_index("weight"), "weight", weights)
    events = events.select(["user_key", "item_id", "weight"]).sort_by(
        [(name, "ascending") for name in ("user_key", "item_id", "weight")]
    )
    summed = events.group_by(["user_key", "item_id"], use_threads=False).aggregate([("weight", "sum")])
    if not pc.any(pc.greater(summed["weight_sum"], 0)).as_py():
        raise ValueError(
            f"{interactions.num_rows} interactions hold no positive weight, so there is nothing to recommend "
            "from. Take in a log, or recommendation lists, first."
        )
    return summed


def _sorted_ids(column: pa.ChunkedArray) -> pa.Array:
    unique = pc.unique(column)
    return unique.take(pc.array_sort_indices(unique)).cast(pa.string())


def _matrix(events: pa.Table, user_keys: pa.Array, item_ids: pa.Array) -> csr_matrix:
    """Liking `[U, I]`; an item met but not liked is a stored zero."""
    rows = pc.index_in(events["user_key"], user_keys).to_numpy()
    columns = pc.index_in(events["item_id"].cast(pa.string()), item_ids).to_numpy()
    liking = events["weight_sum"].to_numpy()
    largest = _LARGEST_WEIGHT * np.median(liking[liking > 0])
    weights = np.clip(liking, 0.0, largest).astype(np.float32)
    return csr_matrix((weights, (rows, columns)), shape=(len(user_keys), len(item_ids)))


def _recommend(
    met: csr_matrix, rows: NDArray[np.int64], num_targets: int, model: str, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Columns and scores `[M, N]` of the best items for some rows of `met`."""
    liked = met.copy()
    liked.eliminate_zeros()
    with threadpool_limits(1, "blas"):
        recommender = _fit(liked, model, seed)
        ids, scores = recommender.recommend(rows, met[rows], N=num_targets, filter_already_liked_items=True)
    return ids, scores


def _fit(liked: csr_matrix, model: str, seed: int) -> RecommenderBase:
    if model == "als":
        recommender = AlternatingLeastSquares(num_threads=1, random_state=seed)
        recommender.fit(liked, show_progress=False)
        return recommender
    # What the library's BM25Recommender does with its defaults, less a warning about the kind of matrix.
    recommender = ItemItemRecommender(num_threads=1)
    recommender.fit(bm25_weight(liked.T, K1=1.2, B=0.75).T.tocsr(), show_progress=False)
    return recommender


def _targets(
    user_keys: pa.Array,
    item_ids: pa.Array,
    ids: NDArray[np.int32],
    scores: NDArray[np.float64],
    lowest: float,
) -> pa.Table:
    row, place = np.nonzero(scores > lowest)
    columns = [
        user_keys.take(pa.array(row)),
        item_ids.take(pa.array(ids[row, place])),
        pa.array(place + 1, pa.int32()),
        pa.array(scores[row, place], pa.float64()),
        pa.nulls(len(row), pa.timestamp("us", tz="UTC")),
    ]
    return pa.table(columns, schema=TARGETS_SCHEMA)
