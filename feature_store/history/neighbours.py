"""Cold start: references for who has little or no history, from what others liked.

They are the neighbours of the user's target in the reference store, by mean token cosine, among the texts
that somebody liked then, and the user had not met.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from feature_store.history.liking import liked_spans, liked_texts
from feature_store.lake.lake import Lake
from feature_store.vectors.reference_store import ReferenceStore

NUM_SEARCHED = 64
"""Neighbours looked up per target; those that came later, or that the user has met, are left out of them."""

COLD = """
    SELECT pair.*, coalesce(own.weight, 1.0) AS weight, $size - coalesce(own.size, 0) AS num_lacking
    FROM {pairs} AS pair
    LEFT JOIN (
        SELECT pair_number, count(*) AS size, avg(weight) AS weight FROM {histories} GROUP BY ALL
    ) AS own ON own.pair_number = pair.pair_number
    WHERE coalesce(own.size, 0) < $size
"""
LIKED = f"""
    SELECT reference_id, item_id AS reference_item_id, liked_since, liked_until
    FROM {liked_spans("known_events($known_before, $known_before)")} ORDER BY ALL
"""
NEIGHBOURS = """
    WITH met AS (
        SELECT pair.pair_number, item.reference_id
        FROM cold AS pair,
            LATERAL (
                FROM known_events(pair.as_of, $known_before) AS known WHERE known.user_key = pair.user_key
            ) AS event
        JOIN items AS item ON item.item_id = event.item_id
        UNION ALL
        SELECT pair.pair_number, unnest([item.reference_id, item.target_id])
        FROM cold AS pair JOIN items AS item ON item.item_id = pair.item_id
    )
    SELECT pair.pair_number, liked.reference_item_id, near.reference_id, pair.weight, 'neighbours' AS origin
    FROM cold AS pair
    JOIN near ON near.target_id = pair.target_id
    JOIN liked ON liked.reference_id = near.reference_id
        AND liked.liked_since < pair.as_of AND pair.as_of <= liked.liked_until
    ANTI JOIN met ON met.pair_number = pair.pair_number AND met.reference_id = near.reference_id
    QUALIFY row_number() OVER (PARTITION BY pair.pair_number ORDER BY near.place) <= pair.num_lacking
"""

OTHERS = f"""
    WITH met AS (
        SELECT item.reference_id FROM known_events(now(), now()) AS event JOIN items AS item USING (item_id)
        WHERE event.user_key = $user_key
        UNION ALL SELECT unnest([reference_id, target_id]) FROM items WHERE target_text = $prompt
    )
    SELECT reference_id, any_value(item.reference_text) AS text
    FROM {liked_texts("known_events(now(), now())")} AS liked JOIN items AS item USING (reference_id)
    ANTI JOIN met USING (reference_id)
    GROUP BY reference_id ORDER BY reference_id
"""
"""What is liked, and neither met by somebody nor what a prompt itself is made of."""
OWED = f"""
    SELECT user_key, item_id FROM {{profiles}}
    WHERE origin = 'neighbours' AND user_key <> $user_key AND reference_id NOT IN (
        SELECT reference_id FROM {liked_texts("known_events(now(), now())", "event.user_key <> $user_key")}
    )
"""
"""Pairs that were lent a reference which nobody but one user likes, of those who lend."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What fills up the histories that are too small.

    A neighbour weighs as much as the user's own references do on average, or 1 where there are none.
    """

    store: ReferenceStore
    """Where the vectors of texts are."""
    known_before: datetime
    """Only what was ingested before this time counts."""
    size: int
    """References that everybody should have."""

    def add(self, lake: Lake, pairs: pa.Table, histories: pa.Table) -> pa.Table:
        """Return histories with what is lacking.

        Args:
            lake: where interactions and items are.
            pairs: `pair_number`, `user_key`, `item_id`, `target_id`, `as_of`.
            histories: what `scan_histories` returned for them.

        Returns:
            `histories` with the neighbours' rows, whose `origin` is `neighbours`; sorted by `pair_number`.
        """
        connection = lake.cursor()
        connection.register("pairs", pairs)
        connection.register("histories", histories)
        found = self._find(connection, "pairs", "histories")
        if found is None:
            return histories
        return pa.concat_tables([histories, found.cast(histories.schema)]).sort_by(
            [("pair_number", "ascending"), ("origin", "ascending"), ("reference_id", "ascending")]
        )

    def fill_up(self, connection: DuckDBPyConnection, pairs: str, histories: str) -> None:
        """Add what is lacking to the histories of pairs, both relations of the connection."""
        found = self._find(connection, pairs, histories)
        if found is not None:
            connection.register("found", found)
            connection.execute(f"INSERT INTO {histories} BY NAME FROM found")
            connection.unregister("found")

    def _find(self, connection: DuckDBPyConnection, pairs: str, histories: str) -> pa.Table | None:
        """Find what is lacking; None if nothing is.

        Each distinct target is looked up once, however many pairs have it.
        """
        sql = COLD.format(pairs=pairs, histories=histories)
        cold = connection.execute(sql, {"size": self.size}).to_arrow_table()
        if not cold.num_rows:
            return None
        known = {"known_before": self.known_before}
        liked = connection.execute(LIKED, known).to_arrow_table()
        near = _search(self.store, cold["target_id"].to_numpy(), np.unique(liked["reference_id"]))
        for name, rows in (("cold", cold), ("liked", liked), ("near", near)):
            connection.register(name, rows)
        return connection.execute(NEIGHBOURS, known).to_arrow_table()


def lend(
    lake: Lake, store: ReferenceStore, vector: np.ndarray, user_key: int, prompt: str, *, size: int
) -> pa.Table:
    """Find what others like that is near to a prompt, for somebody who asks for a picture now.

    Args:
        lake: where interactions and items are.
        store: where the vectors of their texts are.
        vector: `[1, width]` mean unit tokens of the prompt.
        user_key: who has met none of it.
        prompt: whose own items are not among it.
        size: texts at most.

    Returns:
        `reference_id`, `text`; the nearest first.
    """
    connection = lake.cursor()
    asked = {"user_key": user_key, "prompt": prompt}
    others = connection.execute(OTHERS, asked).to_arrow_table()
    if not others.num_rows:
        return others
    _, ids = store.search(vector, size, among=others["reference_id"].to_numpy())
    near = {reference_id: place for place, reference_id in enumerate(ids[0].tolist())}
    places = [near.get(reference_id) for reference_id in others["reference_id"].to_pylist()]
    return (
        others.append_column("place", pa.array(places, pa.int32()))
        .filter(pc.is_valid(pc.field("place")))
        .sort_by("place")
        .drop_columns("place")
    )


def _search(store: ReferenceStore, target_ids: np.ndarray, among: np.ndarray) -> pa.Table:
    """Look up the neighbours of each distinct target: `target_id`, `place` (0 = nearest), `reference_id`."""
    targets = np.unique(target_ids)
    _, ids = store.search(store.gather(targets).mean_unit_tokens, NUM_SEARCHED, among=among)
    columns = {
        "target_id": np.repeat(targets, ids.shape[1]),
        "place": np.tile(np.arange(ids.shape[1]), len(targets)),
        "reference_id": ids.ravel(),
    }
    return pa.table(columns)
