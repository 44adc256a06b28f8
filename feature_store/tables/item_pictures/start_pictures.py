"""The pictures of items that tonight's artworks begin as: what they were when a night last looked.

A picture that is another than before takes its item's artworks' recipe away, so that they are drawn anew.
"""

from collections.abc import Sequence

from feature_store.lake.lake import Lake
from feature_store.schemas import START_PICTURES
from feature_store.tables.item_pictures.seen_pictures import SeenPictureRow, replace_seen_pictures
from feature_store.tables.targets import wanted_targets


def scan_targets_pictures(lake: Lake, *, max_users: int | None) -> list[tuple[str, str | None]]:
    """Return the items that pictures are wanted of, each with the address of its own picture, if any."""
    rows = lake.query(
        "SELECT DISTINCT item.item_id, item.stock_image_uri "
        f"FROM {wanted_targets(max_users)} AS target JOIN items AS item USING (item_id) ORDER BY ALL"
    )
    return [(row["item_id"], row["stock_image_uri"]) for row in rows.to_pylist()]


def replace_start_pictures(lake: Lake, rows: Sequence[SeenPictureRow]) -> int:
    """Note what the pictures of some items are now; return of how many items it is another than before."""
    return replace_seen_pictures(
        lake,
        START_PICTURES,
        rows,
        made_of="item_id IN (FROM changed)",
        message="look at the pictures that artworks begin as",
    )
