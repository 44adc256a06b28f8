"""One user's whole taste as it is known now: for retrieval and for pictures drawn on request."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from feature_store.history.liking import IS_LIKED
from feature_store.history.opt_outs import has_opted_out
from feature_store.lake.lake import Lake
from feature_store.tables.users import UnknownUserError, find_key

TASTE = f"""
    SELECT item.reference_id, any_value(item.reference_text) AS text, fsum(event.weight) AS weight
    FROM known_events($as_of, $known_before) AS event JOIN items AS item USING (item_id)
    WHERE event.user_key = $user_key AND item.reference_id IS NOT NULL
        AND ($without IS NULL OR item.target_text IS DISTINCT FROM $without)
    GROUP BY item.reference_id HAVING {IS_LIKED}
    ORDER BY item.reference_id
"""

ARTWORK = f"""
    SELECT item.stock_image_uri AS uri, fsum(event.weight) AS weight
    FROM known_events($now, $now) AS event JOIN items AS item USING (item_id)
    WHERE event.user_key = $user_key AND item.stock_image_uri IS NOT NULL
    GROUP BY uri HAVING {IS_LIKED}
    ORDER BY weight DESC, uri LIMIT $limit
"""


class OptedOutError(PermissionError):
    """The user wants no personalized pictures."""


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
    """Return the own artwork of the items that a user likes, where they have one, the most liked first.

    Raises:
        UnknownUserError: if no source ever named the user.
        OptedOutError: if the user opted out.
    """
    asked = {"user_key": find_willing_user(lake, user_id), "now": datetime.now(UTC), "limit": limit}
    return [LikedArtwork(**row) for row in lake.query(ARTWORK, asked).to_pylist()]


def read_taste(lake: Lake, user_id: str) -> list[LikedText]:
    """Return all that a user likes, equal texts added up, by reference id.

    Raises:
        UnknownUserError: if that is nothing.
        OptedOutError: if the user opted out.
    """
    taste = read_liked(lake, find_willing_user(lake, user_id))
    if not taste:
        raise no_history(user_id)
    return taste


def no_history(user_id: str) -> UnknownUserError:
    """Say that there is nothing to go by."""
    return UnknownUserError(
        f"user {user_id} has no history with known items: check the id, or run `fan ingest`"
    )


def read_liked(lake: Lake, user_key: int, *, without: str | None = None) -> list[LikedText]:
    """Return what a user likes now, by reference id; that may be nothing.

    Args:
        lake: where interactions and items are.
        user_key: whose taste.
        without: prompt of a target, whose own items are no references of it.
    """
    now = datetime.now(UTC)
    rows = read_history(lake, user_key, as_of=now, known_before=now, without=without)
    return [LikedText(**row) for row in rows.to_pylist()]


def read_history(
    lake: Lake, user_key: int, *, as_of: datetime, known_before: datetime, without: str | None = None
) -> pa.Table:
    """Return what a user liked before a time, as it was known before another; nothing of who opted out.

    Returns:
        `reference_id`, `text`, `weight` (above 0); nothing of the items whose prompt is `without`.
    """
    asked = {"user_key": user_key, "as_of": as_of, "known_before": known_before, "without": without}
    return lake.query(TASTE, asked)


def find_willing_user(lake: Lake, user_id: str) -> int:
    """Return the key of a user whose taste may be used.

    Raises:
        UnknownUserError: if no source ever named the user.
        OptedOutError: if the user opted out.
    """
    key = find_key(lake, user_id)
    if has_opted_out(lake, key):
        raise OptedOutError(
            f"user {user_id} opted out of personalized pictures: leave this user out, or take the wish back "
            "with `fan opt-out --undo`"
        )
    return key
