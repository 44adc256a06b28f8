"""Stage 1, ingest: logs, catalogues and recommendation lists into the lake; then tonight's targets."""

from collections import Counter

import pyarrow as pa

from feature_store.lake.lake import Lake
from feature_store.tables.notes import Note, append_note, replace_notes
from feature_store.tables.runs import Run, close_window
from feature_store.tables.targets import (
    count_users_beyond,
    drop_unwanted,
    replace_targets,
    scan_latest_items,
    scan_preferences,
    scan_stale_users,
)
from flows.settings import Settings
from flows.stages.recipes import targets_recipe
from flows.stages.take_in import Intake
from flows.stages.task_map import Counts
from flows.workspace import share_lake
from recsys_adapters.recommenders.implicit_recommender import recommend_targets


def ingest_sources(settings: Settings, run: Run) -> Counts:
    """Take in what is new in the sources, and decide on the targets: a task that opens what it needs."""
    return ingest(settings, share_lake(settings), run)


def ingest(settings: Settings, lake: Lake, run: Run) -> dict[str, int]:
    """Take in what the sources offer and decide on the targets; return counts."""
    counts = ingest_files(settings, lake, run)
    run = close_window(lake, run)
    counts["users_with_new_targets"] = refresh_targets(settings, lake, run)
    counts["targets_dropped"] = drop_unwanted(
        lake,
        known_before=run.window_end,
        max_users=settings.users_limit,
        only_given=settings.targets.method == "given",
    )
    if beyond := count_users_beyond(lake, settings.users_limit):
        append_note(lake, run.run_id, _about_users_beyond(settings, beyond))
    return dict(counts)


def _about_users_beyond(settings: Settings, num_users: int) -> Note:
    message = (
        f"{num_users:,} users with targets are beyond max_users = {settings.max_users} and get no pictures: "
        'raise it, or set max_users = "all"'
    )
    return Note(severity="warning", source="targets", message=message)


def ingest_files(settings: Settings, lake: Lake, run: Run) -> Counter[str]:
    """Take in every file of the sources that is new, or read otherwise than before; return the ledger's sums.

    A file that cannot be read is noted as a fault, and costs only itself.
    """
    intake = Intake(settings, lake, run)
    try:
        return intake.take_in()
    finally:
        replace_notes(lake, run.run_id, list(intake.notes))


def refresh_targets(settings: Settings, lake: Lake, run: Run) -> int:
    """Make targets for the users whose list is missing, older than their history, or made by other settings.

    Returns:
        Number of those users.
    """
    if settings.targets.method == "given":
        return 0
    recipe = targets_recipe(settings)
    users = scan_stale_users(
        lake, known_before=run.window_end, recipe_digest=recipe, max_users=settings.users_limit
    )
    if users:
        targets = _make_targets(settings, lake, run, users)
        source = settings.targets.method
        replace_targets(lake, run, users, targets, source=source, recipe_digest=recipe)
    return len(users)


def _make_targets(settings: Settings, lake: Lake, run: Run, users: list[int]) -> pa.Table:
    if settings.targets.method == "latest":
        return scan_latest_items(lake, run, users, num_targets=settings.targets.per_user)
    return recommend_targets(
        scan_preferences(lake, run),
        users,
        num_targets=settings.targets.per_user,
        model=settings.targets.model,
        seed=settings.seed,
    )
