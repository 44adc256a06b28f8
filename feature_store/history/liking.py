"""What it is to like: one rule for items and for texts, whoever asks.

What a user did with an item adds up: a later dislike takes back what was liked before.
"""

IS_LIKED = "fsum(event.weight) > 0"
"""SQL: whether grouped rows of `known_events`, as `event`, add up to liking what they are grouped by."""
FIRST_LIKED = "min(event.event_time) FILTER (event.weight > 0)"
"""SQL: since when, of such a group."""
LAST_LIKED = "max(event.event_time) FILTER (event.weight > 0)"
"""SQL: when last, of such a group."""


def liked_texts(events: str, condition: str = "true") -> str:
    """Write the SQL of what users like: `user_key`, `reference_id`, `item_id` (the first one), `liked_since`.

    Args:
        events: what `known_events` is asked for.
        condition: of an `event` and its `item`.
    """
    return f"""(
        SELECT event.user_key, item.reference_id, {FIRST_LIKED} AS liked_since,
               arg_min(event.item_id, event.event_time) FILTER (event.weight > 0) AS item_id
        FROM {events} AS event JOIN items AS item ON item.item_id = event.item_id
        WHERE item.reference_id IS NOT NULL AND {condition}
        GROUP BY event.user_key, item.reference_id HAVING {IS_LIKED}
    )"""
