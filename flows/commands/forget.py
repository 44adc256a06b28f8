"""Forgetting a user: `fan forget USER`."""

import shutil
from pathlib import Path

from feature_store.lake.lake import Lake
from feature_store.tables.runs import read_last_published
from feature_store.tables.users import find_key
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.maintenance import (
    delete_unreferenced_images,
    delete_unreferenced_vectors,
    purge_lake,
)
from feature_store.vectors.reference_store import open_as_it_is
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.gallery import write_gallery
from flows.workspace import EVALUATION_EXPERIMENT, Workspace, open_lake, open_workspace


def forget(settings: Settings, user_id: str) -> dict[str, int]:
    """Take a user out of everything in the workspace; return counts of what went.

    One that was stopped half-way is finished by `fan maintain`. The logs outside the workspace are not
    touched: a user who stands in a log with new content comes back with it, as somebody else.

    Raises:
        UnknownUserError: if no source ever named the user; then nothing is touched.
        NightInProgressError: if a night is running on the workspace.
    """
    with hold_night(settings):
        workspace, lake = open_workspace(settings), open_lake(settings)
        user_key = find_key(lake, user_id)
        # Once the tables know the user no more, anything that is left can be finished without the key.
        counts = {
            "reports": _delete_reports(workspace, user_key),
            "rows": erase_user(lake, user_key),
        }
        return counts | finish_forgetting(settings, workspace, lake)


def finish_forgetting(settings: Settings, workspace: Workspace, lake: Lake) -> dict[str, int]:
    """Take away all that users who were erased from the tables left elsewhere; return counts."""
    counts = _erase_files(settings, workspace, lake)
    purge_lake(lake)
    return counts


def _erase_files(settings: Settings, workspace: Workspace, lake: Lake) -> dict[str, int]:
    """Delete the vectors, pictures and pages that nothing in the lake stands for any more."""
    for made_anew_when_asked_for in (
        workspace.backfills,
        workspace.features,
        workspace.evaluation_pictures,
        workspace.data_sets,
    ):
        shutil.rmtree(made_anew_when_asked_for, ignore_errors=True)
    store, night = open_as_it_is(workspace.references), read_last_published(lake)
    if night:
        write_gallery(settings, lake, workspace, night)
    return {
        "vectors": delete_unreferenced_vectors(lake, store) if store else 0,
        "pictures": delete_unreferenced_images(lake, workspace.images),
    }


def _delete_reports(workspace: Workspace, user_key: int) -> int:
    """Delete the reports of evaluations that name the user, here and in MLflow; return their number.

    They show single users and cannot be taken apart; `fan evaluate` makes them anew.
    """
    folders = (workspace.evaluation, workspace.mlflow / "artifacts" / EVALUATION_EXPERIMENT)
    pages = [page for folder in folders for page in folder.rglob("index.html")]
    named = [page.parent for page in pages if _names(page.parent, user_key)]
    for folder in named:
        shutil.rmtree(folder)
    return len(named)


def _names(folder: Path, user_key: int) -> bool:
    texts = (path for path in folder.iterdir() if path.suffix in (".html", ".csv"))
    return any(str(user_key).encode() in path.read_bytes() for path in texts)
