"""Users who want no personalized pictures: the next night removes what was drawn and leaves them out.

Their history stays, and so do the targets that lists gave, so that they may change their minds. To delete a
user altogether, see `erasure`.
"""

from feature_store.lake.lake import Lake


def opt_out(lake: Lake, user_id: str) -> None:
    """Note that a user opts out; noting it twice changes nothing."""
    lake.write(
        lambda connection: connection.execute(
            "INSERT INTO opt_outs SELECT $1, now() WHERE NOT EXISTS (FROM opt_outs WHERE user_id = $1)",
            [user_id],
        ),
        "a user opts out",
    )


def opt_in(lake: Lake, user_id: str) -> None:
    """Note that a user wants personalized pictures (again)."""
    lake.write(
        lambda connection: connection.execute("DELETE FROM opt_outs WHERE user_id = ?", [user_id]),
        "a user opts in",
    )


def count_opt_outs(lake: Lake) -> int:
    """Return the number of users who opted out."""
    return lake.query("SELECT count(*) AS users FROM opt_outs")["users"].to_pylist()[0]
