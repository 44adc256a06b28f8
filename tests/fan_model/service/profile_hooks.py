"""Factories of stored profiles for a deployment under test."""


def always_failing():
    def look_up(user_id, prompt):
        raise OSError(f"cannot read the profile of {user_id} for {prompt}")

    return look_up


def always_empty():
    return lambda user_id, prompt: ([], [])
