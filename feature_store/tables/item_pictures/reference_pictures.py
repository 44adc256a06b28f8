"""The pictures that speak for users, and those of their targets: what they were when a night last looked.

A picture that is another than before takes the recipe away of the artworks that it is in, so that they are
drawn anew, and no others are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from feature_store.lake.lake import Lake
from feature_store.schemas import REFERENCE_PICTURES
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.item_pictures.seen_pictures import SeenPictureRow, replace_seen_pictures

IN_USE = """
    SELECT item_id FROM keyed.interactions UNION SELECT item_id FROM night.targets
    UNION SELECT item_id FROM targets UNION SELECT reference_item_id FROM night.profiles
    UNION SELECT reference_item_id FROM profiles
"""
"""Items that are in a history, that pictures are wanted of, or that a profile was selected from."""
MADE_OF = """
    item_id IN (FROM changed) OR (user_key, item_id) IN (
        SELECT user_key, item_id FROM night.profiles WHERE reference_item_id IN (FROM changed)
    )
"""
OF_CROWD = """
    SELECT crowd.reference_id, min_by(seen.picture_sha256, item.item_id) AS sha256,
           min_by(item.stock_image_uri, item.item_id) AS uri
    FROM (SELECT unnest($reference_ids) AS reference_id) AS crowd
    JOIN items AS item USING (reference_id)
    JOIN reference_pictures AS seen
        ON seen.item_id = item.item_id AND seen.stock_image_uri = item.stock_image_uri
    WHERE seen.picture_sha256 IS NOT NULL
    GROUP BY crowd.reference_id
"""
"""Of the items with a text of the crowd the first by its id that has a picture."""


@dataclass(frozen=True, kw_only=True)
class CrowdPicture:
    """A picture of what everybody likes."""

    sha256: str
    uri: str
    weight: float
    """What of the population its text stands for."""


def scan_used_pictures(lake: Lake) -> list[tuple[str, str | None]]:
    """Return the items of histories and targets, each with the address of its own picture, if any."""
    rows = lake.query(
        f"SELECT item_id, stock_image_uri FROM items SEMI JOIN ({IN_USE}) USING (item_id) ORDER BY ALL"
    )
    return [(row["item_id"], row["stock_image_uri"]) for row in rows.to_pylist()]


def replace_reference_pictures(lake: Lake, rows: Sequence[SeenPictureRow]) -> int:
    """Note what the pictures of some items are now; return of how many items it is another than before."""
    return replace_seen_pictures(
        lake, REFERENCE_PICTURES, rows, made_of=MADE_OF, message="look at the pictures that speak for users"
    )


def read_crowd_pictures(lake: Lake, crowd: Sequence[CrowdRow]) -> list[CrowdPicture]:
    """Return a picture for each text of a crowd that has one, in the order of the texts."""
    if not crowd:
        return []
    rows = lake.query(OF_CROWD, {"reference_ids": [row.reference_id for row in crowd]}).to_pylist()
    found = {row.pop("reference_id"): row for row in rows}
    pictured = [row for row in crowd if row.reference_id in found]
    return [CrowdPicture(**found[row.reference_id], weight=row.weight) for row in pictured]


def read_checksums(lake: Lake) -> list[str]:
    """Return the checksums of all pictures that nights saw and could read, sorted."""
    rows = lake.query(
        "SELECT DISTINCT picture_sha256 FROM reference_pictures WHERE picture_sha256 IS NOT NULL ORDER BY 1"
    )
    return [str(checksum) for checksum in rows["picture_sha256"].to_pylist()]
