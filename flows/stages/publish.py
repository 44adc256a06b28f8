"""Stage 5, publish: show the night to readers all at once, write the gallery, report to MLflow."""

import logging
from typing import Any

import mlflow

from feature_store.history.opt_outs import count_opt_outs
from feature_store.lake.lake import Lake
from feature_store.schemas.addresses import without_secrets
from feature_store.tables.artworks import count_wanted
from feature_store.tables.notes import count_faults
from feature_store.tables.runs import Run, RunRecord, publish_run, read_run
from feature_store.upkeep.maintenance import delete_unreferenced_images
from flows.gallery.gallery_pages import write_gallery
from flows.model.champion import configure_mlflow
from flows.settings import Settings
from flows.source_settings import Source
from flows.workspace import Workspace

logger = logging.getLogger(__name__)

NIGHTLY_EXPERIMENT = "nightly"
NOT_FOR_MANY_EYES: Any = {
    **dict.fromkeys(("sources", "catalog", "storage", "ray_address", "workspace"), True),
    "model": {"tracking_uri"},
}
"""Settings that a run in MLflow does not name."""


class UnfinishedNightError(RuntimeError):
    """Publishing was asked for before the night's work was done."""


def publish(settings: Settings, lake: Lake, workspace: Workspace, run: Run) -> dict[str, int]:
    """Publish what the stages made; return the numbers of users and targets that readers see."""
    users, targets = count_wanted(lake, max_users=settings.users_limit)
    publish_run(lake, run, faults=describe_faults(lake, run))
    write_gallery(settings, lake, workspace, read_run(lake, run.run_id))
    if count_opt_outs(lake):
        delete_unreferenced_images(lake, workspace.files)
    return {"users": users, "targets": targets}


def describe_faults(lake: Lake, run: Run) -> str | None:
    """Say what is missing of a night, None if nothing is."""
    num_files = count_faults(lake, run.run_id)
    num_failed = read_run(lake, run.run_id).counts.get("generate", {}).get("failed", 0)
    faults = [f"{num_files} faults of sources (see notes)"] if num_files else []
    faults += [f"{num_failed} pictures failed (see artworks)"] if num_failed else []
    return ", ".join(faults) or None


def report_to_mlflow(settings: Settings, workspace: Workspace, night: RunRecord) -> None:
    """Log the night as an MLflow run: its settings, counts and seconds per stage, and its gallery's place."""
    configure_mlflow(settings, NIGHTLY_EXPERIMENT)
    with mlflow.start_run(run_name=night.run_id):
        mlflow.log_params(_flatten(settings.model_dump(exclude=NOT_FOR_MANY_EYES)))
        mlflow.log_metrics(_numbers(night))
        mlflow.set_tags({"run_id": night.run_id, "snapshot_id": night.snapshot_id})
        mlflow.log_dict({"sources": [_told(source) for source in settings.sources]}, "sources.json")
        mlflow.log_text(workspace.gallery, "gallery.txt")


def _told(source: Source) -> dict[str, Any]:
    """A source's settings, for many eyes."""
    told = source.model_dump(mode="json")
    return {name: without_secrets(value) if isinstance(value, str) else value for name, value in told.items()}


def _numbers(night: RunRecord) -> dict[str, float]:
    counts = {
        f"{stage}.{name}": value for stage, values in night.counts.items() for name, value in values.items()
    }
    seconds = {f"{stage}.seconds": value for stage, value in night.seconds.items()}
    return {name: float(value) for name, value in (counts | seconds).items()}


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = without_secrets(value) if isinstance(value, str) else value
    return flat
