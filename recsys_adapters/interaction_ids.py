"""The identity of an interaction, the same whenever and from whichever file it is read."""

from recsys_adapters.sql_quoting import quoted_text

# No accepted text has a NUL character, so two different records never read the same.
_SEPARATOR = "chr(0)"


def interaction_id_sql(source: str, *, event_time: str, kind: str, event_id: str | None = None) -> str:
    """SQL of the `interaction_id` (UUID) of a record whose roles include `user_id` and `item_id`.

    It is the MD5 of the source and its own event id, or, for a record without one, of source, user, item,
    time (microseconds since 1970) and kind.

    Args:
        source: name of the source.
        event_time: SQL of the event's time (TIMESTAMPTZ).
        kind: SQL of the event's kind.
        event_id: SQL of the source's own event id, if it has one.
    """
    named = quoted_text(source)
    described = f"concat_ws({_SEPARATOR}, {named}, user_id, item_id, epoch_us({event_time}), {kind})"
    if event_id is None:
        return f"md5({described})"
    own = f"concat_ws({_SEPARATOR}, {named}, {event_id})"
    return f"md5(CASE WHEN {event_id} IS NULL THEN {described} ELSE {own} END)"
