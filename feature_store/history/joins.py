"""How much of events and given lists meets the catalogue: what meets nothing makes no picture."""

from collections.abc import Iterator
from typing import Literal

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.schemas import GIVEN_TARGETS, INTERACTIONS, ITEMS, TARGETS

LEAST_SHARE = 0.9
"""Of events whose items the catalogue knows: below it somebody has to look."""


def describe_joins(lake: Lake) -> Iterator[tuple[Literal["warning", "note"], str]]:
    """Say which share of events and given targets meets the catalogue, with two ids of each side if small.

    Targets that are made from the log are made anew after it has been taken in: those of before say nothing.
    """
    given = f"(FROM {TARGETS.qualified_name} WHERE recipe_digest = {quote(GIVEN_TARGETS)})"
    for what, table in (("events", INTERACTIONS.qualified_name), ("targets", given)):
        row = lake.query(
            f"SELECT coalesce(sum(n), 0)::BIGINT AS num_rows, "
            "coalesce(sum(n) FILTER (known.item_id IS NOT NULL), 0)::BIGINT AS num_met "
            f"FROM (SELECT item_id, count(*) AS n FROM {table} GROUP BY item_id) AS met "
            f"LEFT JOIN (SELECT item_id FROM {ITEMS.qualified_name}) AS known USING (item_id)"
        ).to_pylist()[0]
        if not row["num_rows"]:
            continue
        share = row["num_met"] / row["num_rows"]
        message = f"{share:.1%} of {row['num_rows']:,} {what} meet an item of a catalogue"
        if share < LEAST_SHARE:
            yield "warning", f"{message}: {_examples(lake, table)}"
        else:
            yield "note", message


def _examples(lake: Lake, table: str) -> str:
    strangers = lake.query(
        f"SELECT DISTINCT item_id FROM {table} ANTI JOIN {ITEMS.qualified_name} USING (item_id) "
        "ORDER BY item_id LIMIT 2"
    )["item_id"].to_pylist()
    known = lake.query(f"SELECT item_id FROM {ITEMS.qualified_name} ORDER BY item_id LIMIT 2")["item_id"]
    there = " and ".join(map(repr, known.to_pylist())) or "nothing"
    return f"no catalogue has {' and '.join(map(repr, strangers))}; the catalogues have {there}"
