"""What a population likes: texts that enough users like, each with its share of an average user's taste.

Every user counts alike, however long the history. What few users like is left out, so that nothing here tells
of anybody.
"""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from feature_store.history.liking import IS_LIKED
from feature_store.lake.lake import Lake

POPULATION = f"""
    WITH taste AS (
        SELECT event.user_key, item.reference_id, any_value(item.reference_text) AS text,
               fsum(event.weight) AS weight
        FROM known_events($as_of, $as_of) AS event JOIN items AS item USING (item_id)
        WHERE item.reference_id IS NOT NULL
        GROUP BY ALL HAVING {IS_LIKED}
    ), share AS (
        SELECT *, weight / sum(weight) OVER (PARTITION BY user_key) AS share FROM taste
    )
    SELECT reference_id, any_value(text) AS text, fsum(share) AS weight, count(*) AS num_users
    FROM share WHERE $texts IS NULL OR list_contains($texts, reference_id)
    GROUP BY reference_id HAVING count(*) >= $least_users
    ORDER BY num_users DESC, reference_id LIMIT $limit
"""
MAX_TEXTS = 20_000
"""The most liked ones: what comes after them weighs next to nothing."""


def scan_population(
    lake: Lake,
    *,
    as_of: datetime,
    least_users: int,
    texts: Sequence[int] | None = None,
    most: int | None = MAX_TEXTS,
) -> pa.Table:
    """Return what users liked before a time, as it was known then.

    Args:
        lake: where interactions and items are.
        as_of: only what happened and was ingested before this time counts.
        least_users: texts that fewer users like are left out.
        texts: the ids of those that are asked about; by default all.
        most: how many at most; None for all.

    Returns:
        `reference_id`, `text`, `weight` (summed over users, whose weights sum to 1 each), `num_users`; the
        most liked texts first. Users who opted out have no part in it.
    """
    asked = {"as_of": as_of, "least_users": least_users, "limit": most}
    return lake.query(POPULATION, asked | {"texts": None if texts is None else list(texts)})
