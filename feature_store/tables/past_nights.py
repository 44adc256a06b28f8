"""What readers saw after an earlier night, for as long as its snapshot is kept."""

from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.reader_views import show_snapshot
from feature_store.lake.sql import LAKE

PUBLISHED_NIGHTS = f"""
    SELECT run_id, snapshot_id, snapshot_id IN (SELECT snapshot_id FROM {LAKE}.snapshots()) AS is_kept
    FROM runs WHERE snapshot_id IS NOT NULL ORDER BY window_end DESC
"""


class UnknownNightError(ValueError):
    """No night of that name was published, or what it showed was deleted since."""


def open_night(lake: Lake, run_id: str) -> DuckDBPyConnection:
    """Open a connection in which the plain names of the night's tables are those of an earlier night.

    `targets`, `profiles`, `artworks` and `pictures` are as readers saw them when the run was published.
    Everything else, titles of items too, is as it is now. Who was forgotten since has no `user_id`.

    Args:
        lake: may be open for reading only.
        run_id: of `runs`.

    Raises:
        UnknownNightError: no such night was published, or its snapshot was deleted since.
    """
    nights = lake.query(PUBLISHED_NIGHTS).to_pylist()
    night = next((night for night in nights if night["run_id"] == run_id), None)
    if night is None or not night["is_kept"]:
        kept = ", ".join(night["run_id"] for night in nights if night["is_kept"]) or "none"
        why = "was published" if night is None else "is kept any more: its snapshot was deleted"
        raise UnknownNightError(f"no night {run_id} {why}. Nights that can be read are: {kept}")
    connection = lake.cursor()
    show_snapshot(connection, night["snapshot_id"])
    return connection
