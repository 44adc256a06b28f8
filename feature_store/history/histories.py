"""A user's history as of a time: what the user liked before then, as far as it was known then.

What counts is asked of `known_events` (see `lake.reader_views`), here and everywhere else.
"""

from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.history.liking import IS_LIKED
from feature_store.lake.lake import Lake
from feature_store.lake.relations import keep

HISTORY = f"""
    SELECT pair.pair_number, arg_max(event.item_id, event.event_time) AS reference_item_id,
           item.reference_id, fsum(event.weight) AS weight, 'history' AS origin
    FROM {{pairs}} AS pair,
        LATERAL (FROM known_events(pair.as_of, $known_before) AS known WHERE known.user_key = pair.user_key)
            AS event
    JOIN items AS item ON item.item_id = event.item_id
    WHERE event.item_id <> pair.item_id
    GROUP BY pair.pair_number, item.reference_id
    HAVING {IS_LIKED}
    ORDER BY pair.pair_number, item.reference_id
"""
CANDIDATES = """
    SELECT pair.bucket, pair.pair_number, pair.user_key, pair.item_id, pair.target_id, pair.as_of,
           history.reference_item_id, history.reference_id, history.weight, history.origin
    FROM {pairs} AS pair LEFT JOIN {histories} AS history USING (pair_number)
    ORDER BY pair.pair_number, history.origin, history.reference_id
"""
"""What there is to select from, for each pair; one without any has a row whose reference is NULL."""


def scan_histories(lake: Lake, pairs: pa.Table, *, known_before: datetime) -> pa.Table:
    """Return the references of each (user, target), with the weights of equal texts added up.

    The target's own item is no reference of itself. What adds up to a weight of zero or less is no preference
    and is left out (with such a weight, stage two of tailored profiling would turn its order round). Events
    of items that the catalogue does not know have no text and are left out.

    Args:
        lake: where interactions and items are.
        pairs: `pair_number`, `user_key`, `item_id`, `as_of`; only event_time < as_of counts.
        known_before: only what was ingested before this time counts.

    Returns:
        `pair_number`, `reference_item_id` (the latest item with that text), `reference_id`, `weight`,
        `origin` (always `history`); sorted by `pair_number`, `reference_id`.
    """
    connection = lake.cursor()
    connection.register("pairs", pairs)
    return connection.execute(HISTORY.format(pairs="pairs"), {"known_before": known_before}).to_arrow_table()


def make_histories(connection: DuckDBPyConnection, pairs: str, *, known_before: datetime) -> str:
    """Keep the references of a connection's relation of pairs in another, which is returned.

    Both are as `scan_histories` has them.
    """
    return keep(connection, "histories", HISTORY.format(pairs=pairs), {"known_before": known_before})


def stream_candidates(connection: DuckDBPyConnection, pairs: str, histories: str) -> pa.RecordBatchReader:
    """Read what there is to select from for each pair, pair by pair.

    Args:
        connection: whose relations the others are.
        pairs: what `number_stale_pairs` returned.
        histories: what `make_histories` returned for them.

    Returns:
        Batches of `bucket`, the columns of `pairs`, and of a reference each; of a pair without any there is
        one row, whose reference is NULL.
    """
    return connection.execute(CANDIDATES.format(pairs=pairs, histories=histories)).to_arrow_reader()


def count_unknown_items(lake: Lake) -> int:
    """Return how many distinct items have events but no entry in the catalogue, hence no text."""
    unknown = "keyed.interactions ANTI JOIN items USING (item_id)"
    rows = lake.query(f"SELECT count(DISTINCT item_id) AS n FROM {unknown}")
    return int(rows["n"][0].as_py())
