"""The identity of an interaction within its source, the same whenever and from whichever file it is read."""

# No accepted text has a NUL character, so two different records never read the same.
_SEPARATOR = "chr(0)"


def interaction_id_sql(*, event_time: str, kind: str, event_id: str | None = None) -> str:
    """SQL of the `interaction_id` of a record whose roles include `user_id` and `item_id`.

    It is the source's own event id; or, for a record without one, a number sign and the MD5 of user, item,
    time (microseconds since 1970) and kind.

    Args:
        event_time: SQL of the event's time (TIMESTAMPTZ).
        kind: SQL of the event's kind.
        event_id: SQL of the source's own event id, if it has one.
    """
    described = f"concat_ws({_SEPARATOR}, user_id, item_id, epoch_us({event_time}), {kind})"
    digest = f"'#' || md5({described})"
    # A coalesce would write every id once more.
    return digest if event_id is None else f"CASE WHEN {event_id} IS NULL THEN {digest} ELSE {event_id} END"
