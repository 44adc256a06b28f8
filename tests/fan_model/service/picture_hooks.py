"""Factories of stored pictures for a deployment under test."""

PNG = b"\x89PNG of a wagon"


def always_failing():
    def look_up(user_id, item_id):
        raise OSError(f"cannot read the picture of {item_id} for {user_id}")

    return look_up


def one_picture(file=PNG):
    return lambda user_id, item_id: ("digest-1", file) if (user_id, item_id) == ("ann", "7/a") else None
