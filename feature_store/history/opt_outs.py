"""Users who want no personalized pictures: from now on nothing uses their taste, for them or for others.

The next night removes what was drawn, leaves them out, and selects references anew for whom they alone had
lent some. Their history stays, and so do the targets that lists gave, so that they may change their minds. To
delete a user altogether, see `upkeep.erasure`.
"""

from duckdb import DuckDBPyConnection

from feature_store.history.neighbours import OWED
from feature_store.lake.lake import Lake
from feature_store.schemas import OPT_OUTS
from feature_store.tables.users import find_key

OPTED_OUT = OPT_OUTS.qualified_name


def opt_out(lake: Lake, user_id: str) -> None:
    """Note that a user opts out; noting it twice changes nothing.

    Raises:
        UnknownUserError: if no source ever named the user.
    """
    key = find_key(lake, user_id)
    owed = OWED.format(profiles="night.profiles")

    def note(connection: DuckDBPyConnection) -> None:
        connection.execute(
            f"DELETE FROM night.profile_states WHERE (user_key, item_id) IN ({owed})", {"user_key": key}
        )
        connection.execute(
            f"INSERT INTO {OPTED_OUT} SELECT $1, now() WHERE $1 NOT IN (SELECT user_key FROM {OPTED_OUT})",
            [key],
        )

    lake.write(note, "a user opts out")


def opt_in(lake: Lake, user_id: str) -> None:
    """Note that a user wants personalized pictures (again).

    Raises:
        UnknownUserError: if no source ever named the user.
    """
    key = find_key(lake, user_id)
    lake.write(
        lambda connection: connection.execute(f"DELETE FROM {OPTED_OUT} WHERE user_key = ?", [key]),
        "a user opts in",
    )


def has_opted_out(lake: Lake, user_key: int) -> bool:
    """Tell whether a user opted out."""
    return lake.query(f"SELECT 1 FROM {OPTED_OUT} WHERE user_key = ?", [user_key]).num_rows > 0


def count_opt_outs(lake: Lake) -> int:
    """Return the number of users who opted out."""
    return int(lake.query(f"SELECT count(*) AS users FROM {OPTED_OUT}")["users"][0].as_py())
