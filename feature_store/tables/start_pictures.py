"""The pictures of items that tonight's artworks begin as: what they were when a night last looked.

A picture that is another than before takes its item's artworks' recipe away, so that they are drawn anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import START_PICTURES
from feature_store.tables.targets import wanted_targets

CHANGED = """
    CREATE OR REPLACE TEMP TABLE changed AS
    SELECT seen.item_id FROM seen LEFT JOIN start_pictures AS known USING (item_id)
    WHERE seen.picture_sha256 IS DISTINCT FROM known.picture_sha256
"""
NO_RECIPE = ""
"""`recipe_digest` of an artwork that is to be drawn anew."""


@dataclass(frozen=True, kw_only=True)
class StartPictureRow:
    """A row of `start_pictures`."""

    item_id: str
    stock_image_uri: str | None
    picture_sha256: str | None
    reason: str | None
    seen_at: datetime


def scan_targets_pictures(lake: Lake, *, max_users: int | None) -> list[tuple[str, str | None]]:
    """Return the items that pictures are wanted of, each with the address of its own picture, if any."""
    rows = lake.query(
        "SELECT DISTINCT item.item_id, item.stock_image_uri "
        f"FROM {wanted_targets(max_users)} AS target JOIN items AS item USING (item_id) ORDER BY ALL"
    )
    return [(row["item_id"], row["stock_image_uri"]) for row in rows.to_pylist()]


def replace_start_pictures(lake: Lake, rows: Sequence[StartPictureRow]) -> int:
    """Note what the pictures of some items are now; return of how many items it is another than before."""

    def replace(connection: DuckDBPyConnection) -> int:
        connection.register("seen", START_PICTURES.to_arrow(rows))
        connection.execute(CHANGED)
        connection.execute(
            "UPDATE night.artworks SET recipe_digest = ? WHERE item_id IN (FROM changed)", [NO_RECIPE]
        )
        connection.execute("DELETE FROM start_pictures WHERE item_id IN (SELECT item_id FROM seen)")
        connection.execute("INSERT INTO start_pictures FROM seen")
        connection.unregister("seen")
        return int(connection.execute("SELECT count(*) FROM changed").fetchall()[0][0])

    return lake.write(replace, "look at the pictures that artworks begin as")
