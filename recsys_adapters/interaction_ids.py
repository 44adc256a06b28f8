"""The identity of an interaction, the same whenever and from whichever file it is read."""

from recsys_adapters.sql_quoting import quoted_text


def interaction_id_sql(source: str, *, event_time: str, kind: str, event_id: str | None = None) -> str:
    """SQL of the `interaction_id` (UUID) of a record whose roles include `user_id` and `item_id`.

    It is the MD5 of the source and its own event id, or, for a record without one, of source, user, item,
    time and kind. Each text is written after its length, so that no two different records read the same.

    Args:
        source: name of the source.
        event_time: SQL of the event's time (TIMESTAMPTZ).
        kind: SQL of the event's kind.
        event_id: SQL of the source's own event id, if it has one.
    """
    parts = [_measured(part) for part in (quoted_text(source), "user_id", "item_id", kind)]
    described = f"concat('event', {', '.join(parts)}, epoch_us({event_time}))"
    if event_id is None:
        return f"md5({described})"
    named = f"concat('id', {_measured(quoted_text(source))}, {_measured(event_id)})"
    return f"md5(CASE WHEN {event_id} IS NULL THEN {described} ELSE {named} END)"


def _measured(text: str) -> str:
    return f"length({text}), ':', {text}"
