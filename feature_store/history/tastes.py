"""One user's whole taste as it is known now: for retrieval and for pictures drawn on request."""

from dataclasses import dataclass

from feature_store.lake.lake import Lake

TASTE = """
    SELECT item.reference_id, any_value(item.reference_text) AS text, fsum(event.weight) AS weight
    FROM interactions AS event JOIN items AS item USING (item_id)
    WHERE event.user_id = ? AND item.reference_id IS NOT NULL
    GROUP BY item.reference_id HAVING fsum(event.weight) > 0
    ORDER BY item.reference_id
"""

ARTWORK = """
    SELECT item.stock_image_uri AS uri, fsum(event.weight) AS weight
    FROM interactions AS event JOIN items AS item USING (item_id)
    WHERE event.user_id = ? AND item.stock_image_uri IS NOT NULL
    GROUP BY uri HAVING fsum(event.weight) > 0
    ORDER BY weight DESC, uri LIMIT ?
"""


class UnknownUserError(LookupError):
    """A user has no history that could be used."""


@dataclass(frozen=True, kw_only=True)
class LikedText:
    """One reference of a user, with what it weighs in all."""

    reference_id: int
    text: str
    weight: float
    """Preference strength, above 0."""


@dataclass(frozen=True, kw_only=True)
class LikedArtwork:
    """An item's own artwork, with what the item weighs for a user in all."""

    uri: str
    weight: float
    """Preference strength, above 0."""


def read_liked_artwork(lake: Lake, user_id: str, *, limit: int) -> list[LikedArtwork]:
    """Return the own artwork of the items that a user likes, where they have one, the most liked first."""
    return [LikedArtwork(**row) for row in lake.query(ARTWORK, [user_id, limit]).to_pylist()]


def read_taste(lake: Lake, user_id: str) -> list[LikedText]:
    """Return all that a user likes, equal texts added up, by reference id.

    Raises:
        UnknownUserError: if that is nothing.
    """
    rows = lake.query(TASTE, [user_id]).to_pylist()
    if not rows:
        raise UnknownUserError(
            f"user {user_id} has no history with known items: check the id, or run `fan ingest`"
        )
    return [LikedText(**row) for row in rows]
