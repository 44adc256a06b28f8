"""Recommendation lists: all files of a source are one delivery, which takes the place of the last."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from duckdb import DuckDBPyConnection

from feature_store.intake.clashes import count_by_place
from feature_store.intake.ledger import FileCounts
from feature_store.intake.offers import Offer
from feature_store.intake.source_files import account
from feature_store.intake.staged_batches import StagedBatch
from feature_store.lake.lake import Lake
from feature_store.lake.relations import count, keep
from feature_store.schemas import GIVEN_TARGETS, INGESTED_FILES, TARGETS
from feature_store.tables.targets import append_targets

LISTED = """
    SELECT * REPLACE (row_number() OVER (
        PARTITION BY user_key ORDER BY rank NULLS LAST, score DESC NULLS LAST, item_id) AS rank)
    FROM (SELECT DISTINCT ON (user_key, item_id) * FROM ({rows})
          ORDER BY user_key, item_id, rank NULLS LAST, score DESC NULLS LAST, part, place, line)
"""
"""Each user's list over all files: an item twice has its best rank, and ranks begin at 1."""


def is_delivered(lake: Lake, offers: Sequence[Offer], *, per_user: int | None) -> bool:
    """Tell whether the last delivery of the files' source was just these files, read as they are now."""
    entries = lake.query(
        f"SELECT sha256, reading FROM {INGESTED_FILES.qualified_name} "
        "WHERE source = $source AND table_name = 'targets' AND ingested_at = ("
        f"  SELECT max(ingested_at) FROM {INGESTED_FILES.qualified_name} "
        "  WHERE source = $source AND table_name = 'targets')",
        {"source": offers[0].file.source},
    ).to_pylist()
    offered = [(offer.sha256, reading_of(offer, per_user)) for offer in offers]
    return sorted((entry["sha256"], entry["reading"]) for entry in entries) == sorted(offered)


def reading_of(offer: Offer, per_user: int | None) -> str:
    """How a file of lists is read: a longer list than is wanted is cut."""
    return f"{offer.file.reading}/{per_user}"


def append_lists(
    lake: Lake,
    staged: Sequence[StagedBatch],
    *,
    connection: DuckDBPyConnection,
    per_user: int | None,
    is_complete: bool,
) -> list[FileCounts]:
    """Let the staged files of one source stand for its last delivery.

    Args:
        lake: where they go.
        staged: files of one source, with the same `ingested_at`.
        connection: a cursor of the lake that has staged them.
        per_user: the longest list that is wanted, or None for any.
        is_complete: whether the files are all that were offered; if not, users whom they do not name keep
            their lists.
    """
    write = partial(_replace, staged=staged, per_user=per_user, is_complete=is_complete)
    return lake.write(write, f"lists of {staged[0].origins[0].source}", connection=connection)


def _replace(
    connection: DuckDBPyConnection,
    *,
    staged: Sequence[StagedBatch],
    per_user: int | None,
    is_complete: bool,
) -> list[FileCounts]:
    first = staged[0].origins[0]
    rows = " UNION ALL BY NAME ".join(
        f"SELECT *, {part} AS part FROM {some.rows.rows}" for part, some in enumerate(staged)
    )
    listed = keep(connection, "listed", LISTED.format(rows=rows))
    if count(connection, listed):
        _take_places(
            connection,
            listed,
            first.source,
            first.ingested_at,
            first.run_id,
            per_user=per_user,
            is_complete=is_complete,
        )
    of_parts = (
        count_by_place(connection, f"(FROM {listed} WHERE part = {part})") for part in range(len(staged))
    )
    return [
        counts
        for some, accepted in zip(staged, of_parts, strict=True)
        for counts in account(connection, some, accepted, partial(_about_repeats, some, accepted))
    ]


def _about_repeats(staged: StagedBatch, listed: Counter[int], place: int) -> tuple[str, ...]:
    """What to say of the rows of a file that a better place, of this file or another, makes needless."""
    repeats = staged.rows.num_rows[place] - listed[place]
    if not repeats:
        return ()
    return (f"{repeats:,} rows name an item that their user's list has already: its best place counts",)


def _take_places(
    connection: DuckDBPyConnection,
    listed: str,
    source: str,
    listed_at: datetime,
    run_id: str,
    *,
    per_user: int | None,
    is_complete: bool,
) -> None:
    gone = f"OR source = $source AND recipe_digest = '{GIVEN_TARGETS}'" if is_complete else ""
    connection.execute(
        f"DELETE FROM {TARGETS.qualified_name} WHERE user_key IN (SELECT user_key FROM {listed}) {gone}",
        {"source": source} if is_complete else {},
    )
    wanted = listed if per_user is None else f"(FROM {listed} WHERE rank <= {per_user})"
    append_targets(connection, wanted, source, GIVEN_TARGETS, listed_at=listed_at, run_id=run_id)
