"""A past night over again: `fan backfill RUN`."""

import shutil
from collections import Counter
from pathlib import Path

from feature_store.lake.lake import Lake
from feature_store.tables import profiles
from feature_store.tables.runs import Run
from feature_store.upkeep.past_windows import copy_given_targets, copy_known, copy_made_targets, read_window
from flows.model.champion import load_champion
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.crowd import crowd_name, current_crowd
from flows.stages.embed import embed
from flows.stages.ingest import refresh_targets
from flows.stages.night_tasks import divide
from flows.stages.profile import profile_pairs
from flows.stages.recipes import profile_recipe, targets_recipe
from flows.workspace import open_lake, open_references, open_workspace


def backfill(settings: Settings, run_id: str) -> tuple[Path, dict[str, int]]:
    """Select targets and references as the nightly did then, for the users whom that window changed.

    The same stages run on what was known at the end of the run's window, into a lake of its own beside the
    workspace's, which stays as it is. With the settings and encoder of then the rows are those of then.

    Returns:
        The folder of that lake, and counts.

    Raises:
        UnknownRunError: if there is no such run.
        NightInProgressError: if a night is running on the workspace.
    """
    with hold_night(settings):
        lake = open_lake(settings)
        run = read_window(lake, run_id)
        folder = open_workspace(settings).backfills / run_id
        shutil.rmtree(folder, ignore_errors=True)
        past = Lake(folder)
        copy_known(lake, past, run, targets_recipe=targets_recipe(settings))
        counts = _run_stages(settings, lake, past, run)
        past.close()
        return folder, counts


def _run_stages(settings: Settings, lake: Lake, past: Lake, run: Run) -> dict[str, int]:
    counts = Counter(users_with_targets=refresh_targets(settings, past, run))
    artist = load_champion(settings).artist
    store = open_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
    crowd = current_crowd(settings, lake, store.encoder_fingerprint, run.window_end)
    limit = settings.users_limit
    recipe = profile_recipe(settings, store.encoder_fingerprint, crowd_name(crowd))
    if settings.targets.method == "given":
        copy_given_targets(lake, past, run, profile_recipe=recipe)
    else:
        made = targets_recipe(settings)
        copy_made_targets(lake, past, run, targets_recipe=made, profile_recipe=recipe)
    embed(settings, past, store, artist)
    for bucket in divide(settings, profiles.count_stale_users(past, recipe_digest=recipe, max_users=limit)):
        pairs = profiles.scan_stale_pairs(past, run, recipe_digest=recipe, max_users=limit, bucket=bucket)
        counts.update(profile_pairs(settings, past, store, run, pairs, crowd))
    past.publish(f"backfill {run.run_id}")
    return dict(counts)
