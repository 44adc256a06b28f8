"""What it is to like: one rule for items and for texts, whoever asks.

What a user did with an item adds up: a later dislike takes back what was liked before.
"""

_SUM = "fsum(event.weight)"
IS_LIKED = f"{_SUM} > 0"
"""SQL: whether grouped rows of `known_events`, as `event`, add up to liking what they are grouped by."""
LAST_LIKED = "max(event.event_time) FILTER (event.weight > 0)"
"""SQL: when last, of such a group."""

_WAVERING = "wavering AS (SELECT user_key, reference_id FROM told WHERE weight < 0)"
"""Who took something back: all others like a text for good from the first time on, without any sum."""
_STEADY = """steady AS (
    SELECT reference_id, arg_min(item_id, event_time) AS item_id, min(event_time) AS liked_since,
           'infinity'::TIMESTAMPTZ AS liked_until
    FROM told ANTI JOIN wavering USING (user_key, reference_id) WHERE weight > 0 GROUP BY reference_id
)"""
_SPANS = f"""spans AS (
    SELECT reference_id, event_time AS liked_since,
           arg_min(item_id, event_time) FILTER (weight > 0) OVER so_far AS item_id,
           lead(event_time, 1, 'infinity'::TIMESTAMPTZ) OVER so_far AS liked_until
    FROM told AS event SEMI JOIN wavering USING (user_key, reference_id)
    WINDOW so_far AS (PARTITION BY user_key, reference_id ORDER BY event_time)
    QUALIFY {_SUM} OVER so_far > 0
    UNION ALL BY NAME FROM steady
)"""
_JOINED = """joined AS (
    SELECT *, count(*) FILTER (reached IS NULL OR reached < liked_since) OVER texts AS span
    FROM (SELECT *, max(liked_until) OVER (texts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
          FROM spans WINDOW texts AS (PARTITION BY reference_id ORDER BY liked_since))
    WINDOW texts AS (PARTITION BY reference_id ORDER BY liked_since)
)"""
"""Numbers the spans of a text, so that those of several users which meet have one number."""


def liked_texts(events: str, condition: str = "true") -> str:
    """Write the SQL of what users like: `user_key`, `reference_id`.

    Args:
        events: what `known_events` is asked for.
        condition: of an `event` and its `item`.
    """
    return f"""(
        SELECT event.user_key, item.reference_id
        FROM {events} AS event JOIN items AS item ON item.item_id = event.item_id
        WHERE item.reference_id IS NOT NULL AND {condition}
        GROUP BY event.user_key, item.reference_id HAVING {IS_LIKED}
    )"""


def liked_spans(events: str) -> str:
    """Write the SQL of when texts were liked: `reference_id`, `item_id`, `liked_since`, `liked_until`.

    Somebody liked a text at a time if `liked_since < time <= liked_until`: what some user had done with it
    *before* that time added up to liking. A text has a row for each time that it was liked anew; they do not
    meet. `item_id` is the item with the text that was liked first.

    Args:
        events: what `known_events` is asked for.
    """
    return f"""(
        WITH told AS (
            SELECT event.user_key, event.item_id, event.event_time, event.weight, item.reference_id
            FROM {events} AS event JOIN items AS item ON item.item_id = event.item_id
            WHERE item.reference_id IS NOT NULL
        ), {_WAVERING}, {_STEADY}, {_SPANS}, {_JOINED}
        SELECT reference_id, arg_min(item_id, liked_since) AS item_id, min(liked_since) AS liked_since,
               max(liked_until) AS liked_until
        FROM joined GROUP BY reference_id, span
    )"""
