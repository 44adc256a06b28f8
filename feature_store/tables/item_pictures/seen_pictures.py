"""Pictures as a night last saw them; one that is another than before has artworks drawn anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.schemas import Table

NO_RECIPE = ""
"""`recipe_digest` of an artwork that is to be drawn anew."""


@dataclass(frozen=True, kw_only=True)
class SeenPictureRow:
    """A row of `start_pictures` or `reference_pictures`."""

    item_id: str
    stock_image_uri: str | None
    picture_sha256: str | None
    reason: str | None
    seen_at: datetime


def replace_seen_pictures(
    lake: Lake, table: Table, rows: Sequence[SeenPictureRow], *, made_of: str, message: str
) -> int:
    """Note what the pictures of some items are now; return of how many items it is another than before.

    Args:
        lake: where the table is.
        table: `START_PICTURES` or `REFERENCE_PICTURES`.
        rows: one of each item.
        made_of: SQL condition that holds for the artworks that a picture of `changed` (`item_id`) is in.
        message: of the snapshot.
    """
    changed = (
        "CREATE OR REPLACE TEMP TABLE changed AS "
        f"SELECT seen.item_id FROM seen LEFT JOIN {table.name} AS known USING (item_id) "
        "WHERE seen.picture_sha256 IS DISTINCT FROM known.picture_sha256"
    )

    def replace(connection: DuckDBPyConnection) -> int:
        connection.register("seen", table.to_arrow(rows))
        connection.execute(changed)
        connection.execute(f"UPDATE night.artworks SET recipe_digest = ? WHERE {made_of}", [NO_RECIPE])
        connection.execute(f"DELETE FROM {table.name} WHERE item_id IN (SELECT item_id FROM seen)")
        connection.execute(f"INSERT INTO {table.name} FROM seen")
        connection.unregister("seen")
        return int(connection.execute("SELECT count(*) FROM changed").fetchall()[0][0])

    return lake.write(replace, message)
