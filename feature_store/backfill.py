"""What was known at the end of a past window, as a lake of its own, for the same stages to run on again."""

from feature_store.lake import Lake
from feature_store.runs import Run
from feature_store.schemas import INTERACTIONS, ITEMS, Table

KNOWN = """
    SELECT {columns} FROM {table} WHERE ingested_at < $window_end
    UNION ALL
    SELECT {columns} FROM superseded_{table} WHERE ingested_at < $window_end AND superseded_at >= $window_end
"""
CHANGED = """
    SELECT user_id FROM interactions
    WHERE ingested_at >= $window_start OR event_time >= $window_start AND event_time < $window_end
    UNION
    SELECT user_id FROM interactions JOIN items USING (item_id) WHERE items.ingested_at >= $window_start
"""
"""Users whose history the window changed: by what it took in, and by what its clock reached."""


class UnknownRunError(LookupError):
    """There is no run of that id."""


def read_window(lake: Lake, run_id: str) -> Run:
    """Return a past run with its window.

    Raises:
        UnknownRunError: if there is none, naming the latest ones.
    """
    sql = "SELECT run_id, window_start, window_end FROM runs ORDER BY window_end DESC"
    rows = lake.query(sql).to_pylist()
    for row in rows:
        if row["run_id"] == run_id:
            return Run(**row)
    latest = ", ".join(row["run_id"] for row in rows[:5]) or "none"
    raise UnknownRunError(f"there is no run {run_id}; the latest are {latest}")


def copy_known(lake: Lake, past: Lake, run: Run, *, targets_recipe: str) -> None:
    """Fill an empty lake with the interactions and items that were known at the end of a run's window.

    Users whose history the window did not change are marked as up to date, as they were then.

    Args:
        lake: what is known now, with what corrections superseded.
        past: where it goes.
        run: the past run.
        targets_recipe: settings that targets depend on.
    """
    for table in (INTERACTIONS, ITEMS):
        _copy(lake, past, run, table)
    if run.window_start is not None:
        unchanged = f"SELECT DISTINCT user_id FROM interactions WHERE user_id NOT IN ({CHANGED})"
        parameters: dict[str, object] = {"window_start": run.window_start, "window_end": run.window_end}
        parameters |= {"recipe": targets_recipe, "run_id": run.run_id}
        past.write(
            lambda connection: connection.execute(
                f"INSERT INTO night.target_states SELECT user_id, $recipe, $run_id FROM ({unchanged})",
                parameters,
            ),
            "leave who did not change",
        )


def _copy(lake: Lake, past: Lake, run: Run, table: Table) -> None:
    sql = KNOWN.format(table=table.name, columns=", ".join(table.column_names))
    known = lake.cursor().execute(sql, {"window_end": run.window_end}).to_arrow_reader()
    connection = past.cursor()
    connection.register("known", known)
    past.write(
        lambda connection: connection.execute(f"INSERT INTO {table.name} FROM known"),
        f"{table.name} of then",
        connection=connection,
    )
