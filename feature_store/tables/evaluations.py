"""What an evaluation reads from the lake and leaves in it."""

from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.history.liking import IS_LIKED
from feature_store.lake.lake import Lake
from feature_store.schemas import EVALUATION_RESULTS

SAMPLE = f"""
    SELECT user_key FROM (
        SELECT user_key, item_id FROM known_events($known_before, $known_before) AS event
        GROUP BY ALL HAVING {IS_LIKED}
    ) JOIN keyed.users USING (user_key)
    GROUP BY user_key, user_id HAVING count(*) >= $least_items
    ORDER BY md5(user_id), user_id LIMIT $num_users OFFSET $num_users * $sample
"""

TARGETS = """
    SELECT target.user_key, target.item_id, item.target_text
    FROM targets AS target JOIN items AS item USING (item_id) JOIN keyed.users AS person USING (user_key)
    ORDER BY person.user_id, target.rank
"""

REFERENCES = """
    WITH met AS (
        SELECT pair.pair_number, event.item_id, max(event.event_time) AS last_event_time
        FROM pairs AS pair,
            LATERAL (
                FROM known_events(pair.as_of, $known_before) AS known WHERE known.user_key = pair.user_key
            ) AS event
        GROUP BY ALL
    )
    SELECT pair.user_key, (md5_number_lower(person.user_id) & 9223372036854775807)::BIGINT AS lot,
           item.reference_text AS text, history.weight, max(met.last_event_time) AS last_event_time
    FROM histories AS history
    JOIN pairs AS pair ON pair.pair_number = history.pair_number
    JOIN items AS item ON item.item_id = history.reference_item_id
    JOIN keyed.users AS person ON person.user_key = pair.user_key
    JOIN met ON met.pair_number = pair.pair_number AND met.item_id = history.reference_item_id
    ANTI JOIN (
        SELECT user_key, reference_id FROM targets JOIN items USING (item_id)
    ) AS target ON target.user_key = pair.user_key AND target.reference_id = history.reference_id
    GROUP BY pair.user_key, person.user_id, item.reference_text, history.weight
    ORDER BY person.user_id, last_event_time DESC, text
"""


DISLIKED = """
    WITH disliked AS (
        SELECT pair.user_key, item.reference_text AS text, fsum(event.weight) AS total
        FROM pairs AS pair,
            LATERAL (
                FROM known_events(pair.as_of, $known_before) AS known WHERE known.user_key = pair.user_key
            ) AS event
        JOIN items AS item ON item.item_id = event.item_id
        GROUP BY pair.user_key, item.reference_text
        HAVING fsum(event.weight) < 0
    )
    SELECT user_key, text, total AS weight FROM disliked
    QUALIFY row_number() OVER (PARTITION BY user_key ORDER BY total, text) <= $num_texts
    ORDER BY user_key, total, text
"""


def sample_users(
    lake: Lake, *, num_users: int, sample: int, least_items: int, known_before: datetime
) -> list[int]:
    """Draw users who liked enough items and did not opt out; the samples 0, 1, 2, ... share nobody.

    Args:
        lake: where interactions are.
        num_users: size of a sample.
        sample: which one, from 0.
        least_items: distinct items that a user must have liked.
        known_before: only what happened and was ingested before this time counts.
    """
    parameters = {
        "num_users": num_users,
        "sample": sample,
        "least_items": least_items,
        "known_before": known_before,
    }
    return lake.query(SAMPLE, parameters)["user_key"].to_pylist()


def scan_target_texts(lake: Lake, targets: pa.Table) -> pa.Table:
    """Return the prompts of targets (`user_key`, `item_id`, `rank`): `user_key`, `item_id`, `target_text`."""
    connection = lake.cursor()
    connection.register("targets", targets)
    return connection.execute(TARGETS).to_arrow_table()


def scan_reference_texts(
    lake: Lake, *, pairs: pa.Table, histories: pa.Table, targets: pa.Table, known_before: datetime
) -> pa.Table:
    """Return the texts of histories with the time of the user's last event, latest first.

    A reference that reads like one of the user's targets is left out: it would give the target away.

    Args:
        lake: where items and interactions are.
        pairs: `pair_number`, `user_key`, `as_of`, one per user.
        histories: `pair_number`, `reference_item_id`, `reference_id`, `weight`.
        targets: `user_key`, `item_id`.
        known_before: only what was ingested before this time counts.

    Returns:
        `user_key`, `lot` (a number that follows from the id), `text`, `weight`, `last_event_time`; sorted by
        user id, latest first.
    """
    connection = lake.cursor()
    for name, table in (("pairs", pairs), ("histories", histories), ("targets", targets)):
        connection.register(name, table)
    return connection.execute(REFERENCES, {"known_before": known_before}).to_arrow_table()


def scan_disliked_texts(lake: Lake, pairs: pa.Table, *, known_before: datetime, num_texts: int) -> pa.Table:
    """Return the texts of what users disliked: events whose weights add up to less than zero.

    Args:
        lake: where items and interactions are.
        pairs: `user_key`, `as_of`, one per user.
        known_before: only what was ingested before this time counts.
        num_texts: of each user, at most; the least liked ones.

    Returns:
        `user_key`, `text`, `weight`; by user, the least liked first.
    """
    connection = lake.cursor()
    connection.register("pairs", pairs)
    parameters = {"known_before": known_before, "num_texts": num_texts}
    return connection.execute(DISLIKED, parameters).to_arrow_table()


def append_results(lake: Lake, results: pa.Table) -> None:
    """Add the rows of an evaluation (`evaluation_results`), all of them or none."""
    made = results.select(list(EVALUATION_RESULTS.column_names)).cast(EVALUATION_RESULTS.arrow_schema)
    columns = ", ".join(EVALUATION_RESULTS.column_names)

    def append(connection: DuckDBPyConnection) -> None:
        connection.register("made", made)
        connection.execute(
            f"INSERT INTO {EVALUATION_RESULTS.qualified_name} ({columns}) SELECT {columns} FROM made"
        )

    lake.write(append, f"{results.num_rows} results of an evaluation")


def read_results(lake: Lake, run_id: str) -> pa.Table:
    """Return the rows of one evaluation, in the order in which they were added."""
    table = EVALUATION_RESULTS.qualified_name
    return lake.query(f"FROM {table} WHERE run_id = ? ORDER BY rowid", [run_id])
