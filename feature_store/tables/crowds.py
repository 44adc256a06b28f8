"""Crowds: the few texts that stood for what everybody likes, from a time on.

The latest one of a recipe stays in use until another is added, or every event would redraw every picture.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import CROWDS

CURRENT = """
    SELECT * FROM crowds WHERE recipe_digest = $recipe_digest AND as_of <= $as_of
    QUALIFY (as_of, snapshot_id) = max((as_of, snapshot_id)) OVER ()
    ORDER BY position
"""


@dataclass(frozen=True, kw_only=True)
class CrowdRow:
    """A row of `crowds`: one of the texts; columns as in `schemas.CROWDS`."""

    crowd_id: str
    position: int
    reference_id: int
    text: str
    weight: float
    num_users: int
    as_of: datetime
    recipe_digest: str
    run_id: str
    snapshot_id: int


def crowd_id(shares: Sequence[tuple[int, float]]) -> str:
    """Identify a crowd by its texts and what each of them stands for."""
    parts = sorted((reference_id, f"{weight:.9g}") for reference_id, weight in shares)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def read_crowd(lake: Lake, *, recipe_digest: str, as_of: datetime) -> list[CrowdRow]:
    """Return the crowd that was in use at a time, in the order of its texts; nothing if there was none."""
    rows = lake.query(CURRENT, {"recipe_digest": recipe_digest, "as_of": as_of})
    return [CrowdRow(**row) for row in rows.to_pylist()]


def drop_crowd(lake: Lake, name: str) -> None:
    """Let a crowd be in use no more, for no time: those whom it told of have left."""
    lake.write(
        lambda connection: connection.execute("DELETE FROM crowds WHERE crowd_id = ?", [name]), "drop a crowd"
    )


def add_crowd(lake: Lake, rows: Sequence[CrowdRow]) -> None:
    """Let another crowd be in use from now on; the ones before stay for backfills."""
    made = CROWDS.to_arrow(rows)

    def add(connection: DuckDBPyConnection) -> None:
        connection.register("made", made)
        columns = ", ".join(CROWDS.column_names)
        connection.execute(f"INSERT INTO crowds ({columns}) SELECT {columns} FROM made")

    lake.write(add, f"a crowd of {len(rows)} texts")
