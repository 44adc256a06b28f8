"""Rows of results, as measuring makes them."""


def result_row(variant, group, measure, user, value, *, judge="somebody"):
    """A measure of one user's pictures in one variant."""
    return {
        "variant": variant,
        "variant_group": group,
        "alpha": 0.3,
        "measure": measure,
        "user_key": user,
        "value": value,
        "num_pictures": 2,
        "judge": judge,
        "judge_fingerprint": "0123",
        "judge_is_independent": True,
        "data_set": "films",
    }
