"""Forgetting a user: `fan forget USER`."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from feature_store.lake.lake import Lake
from feature_store.tables.runs import read_last_published
from feature_store.tables.suppressions import is_forgotten, lift
from feature_store.tables.users import UnknownUserError, find_key, look_up_key
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.maintenance import (
    delete_unreferenced_images,
    delete_unreferenced_vectors,
    drop_unused_pictures,
    purge_lake,
)
from feature_store.vectors.reference_store import open_as_it_is
from flows.gallery.gallery_pages import write_gallery
from flows.keeping.sealing import rewriting, seal
from flows.model.champion import SQLITE, tracking_uri
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.bucket_files import delete_work
from flows.workspace import EVALUATION_EXPERIMENT, Workspace, open_kept_pictures, open_lake, open_workspace


def forget(settings: Settings, user_id: str) -> dict[str, int]:
    """Take a user out of everything in the workspace; return counts of what went.

    One that was stopped half-way is finished when it is asked for again, or by `fan maintain`. The logs
    outside the workspace are not touched: delivered again, they do not bring the user back, but an event of
    after this does, as somebody else. `remember` lets what they say count again.

    Raises:
        UnknownUserError: if no source ever named the user; then nothing is touched.
        NightInProgressError: if a night is running on the workspace.
        DamagedLakeError: if a file of the lake is damaged.
    """
    with hold_night(settings), rewriting(settings):
        workspace, lake = open_workspace(settings), open_lake(settings)
        if look_up_key(lake, user_id) is None and is_forgotten(lake, user_id):
            return finish_forgetting(settings, workspace, lake)
        user_key = find_key(lake, user_id)
        # Once the tables know the user no more, anything that is left can be finished without the key.
        counts = {
            "reports": _delete_reports(workspace, user_key) + delete_logged_reports(settings, user_key),
            "rows": erase_user(lake, user_key),
        }
        return counts | finish_forgetting(settings, workspace, lake)


def remember(settings: Settings, user_id: str) -> None:
    """Let logs bring a forgotten user back, whenever their events were.

    Raises:
        UnknownUserError: if the user was not forgotten.
    """
    if not lift(open_lake(settings), user_id):
        raise UnknownUserError(f"user {user_id} was not forgotten: check the spelling of the id")
    seal(settings, "lake/")


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
    delete_work(workspace.files)
    store = open_as_it_is(workspace.references, workspace.reference_copies)
    night = read_last_published(lake)
    if night:
        write_gallery(settings, lake, workspace, night)
    return {
        "vectors": delete_unreferenced_vectors(lake, store) if store else 0,
        "picture_embeddings": drop_unused_pictures(lake, open_kept_pictures(workspace)),
        "pictures": delete_unreferenced_images(lake, workspace.files),
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


def delete_logged_reports(settings: Settings, user_key: int) -> int:
    """Delete the evaluations that name the user from an MLflow outside the workspace; return their number."""
    uri = tracking_uri(settings)
    is_elsewhere = settings.model.tracking_uri or settings.storage
    if not is_elsewhere or (uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists()):
        return 0
    client = MlflowClient(uri)
    named = [run for run in _evaluations(client) if _is_named_in(client, run, user_key)]
    for run in named:
        get_artifact_repository(run.info.artifact_uri, tracking_uri=uri).delete_artifacts()
        client.delete_run(run.info.run_id)
    return len(named)


def _evaluations(client: MlflowClient) -> Iterator[MlflowRun]:
    experiment, token = client.get_experiment_by_name(EVALUATION_EXPERIMENT), None
    while experiment:
        page = client.search_runs([experiment.experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _is_named_in(client: MlflowClient, run: MlflowRun, user_key: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return _names(Path(client.download_artifacts(run.info.run_id, "", folder)), user_key)


def _names(folder: Path, user_key: int) -> bool:
    texts = (path for path in folder.iterdir() if path.suffix in (".html", ".csv"))
    return any(str(user_key).encode() in path.read_bytes() for path in texts)
