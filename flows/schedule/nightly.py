"""The night as a Prefect flow: Prefect starts it, shows it, retries what is transient."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner

from feature_store.tables.runs import RunRecord
from flows.schedule.prefect_tasks import PrefectTasks, log_if_deployed, tell_all, tell_kind
from flows.schedule.server import ServerError, use_server
from flows.settings import Settings, read_settings
from flows.stages.night import STAGES, run_night
from flows.stages.task_map import IN_TURN, TaskMap
from flows.workspace import open_workspace

SIDE_BY_SIDE: Any = ThreadPoolTaskRunner(max_workers=2)
WITH_FAULTS = "WithFaults"
"""Name of the state of a night that is done, and of which something is missing."""


@flow(
    name="nightly",
    task_runner=SIDE_BY_SIDE,
    validate_parameters=False,
    persist_result=False,
)
def nightly(settings_file: str | None = None, stages: Sequence[str] = STAGES) -> RunRecord | State:
    """Run the stages in order, carrying on a run that is not published yet.

    Args:
        settings_file: TOML file of the settings, `fan.toml` by default.
        stages: which of ingest, embed, profile, generate, publish.

    Returns:
        What is noted of the run: its window, status, counts and seconds per stage. Where something is missing
        of it, it comes in a completed state of that name.

    Raises:
        StoppedError: in place of any error, which it holds.
    """
    night = tell_kind(partial(_run, settings_file, stages))
    return Completed(name=WITH_FAULTS, data=night) if night.has_faults else night


def run_locally(settings_file: Path | None, stages: Sequence[str]) -> RunRecord:
    """Run the flow in this process, named after its stages; without Prefect if it has no server to tell.

    Raises:
        NightInProgressError: if another night is running on the workspace.
    """
    name = "nightly" if tuple(stages) == STAGES else "-".join(stages)
    named = nightly.with_options(name=name)
    file = str(settings_file) if settings_file else None
    try:
        # A heartbeat keeps the process a second longer at the end of each flow; nobody watches this for it.
        with use_server(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            # Of a flow that ends in a state Prefect returns what the state holds.
            return cast(RunRecord, tell_all(partial(named, file, stages)))
    except ServerError as error:
        print(f"fan: {error}. This goes on without Prefect", file=sys.stderr)
        settings = read_settings(settings_file)
        return run_night(settings, stages, open_cluster(settings) or IN_TURN)


def open_cluster(settings: Settings) -> TaskMap | None:
    """Say who runs the tasks of buckets, if another than this process does; only then Ray is imported."""
    if not settings.ray_address:
        return None
    from flows.schedule.ray_tasks import RayTasks

    return RayTasks(settings)


def _run(settings_file: str | None, stages: Sequence[str]) -> RunRecord:
    try:
        settings = read_settings(Path(settings_file) if settings_file else None)
        night = run_night(settings, stages, PrefectTasks(open_cluster(settings)))
        if "publish" in stages:
            _show(settings, night)
    except Exception as error:
        log_if_deployed(error)
        raise
    return night


def _show(settings: Settings, night: RunRecord) -> None:
    """Show the night's counts and the way to its gallery in Prefect."""
    rows = [
        {"stage": stage, "count": name, "value": value}
        for stage, counts in night.counts.items()
        for name, value in counts.items()
    ]
    create_table_artifact(rows, key="nightly-counts", description=f"Counts of run {night.run_id}")
    gallery = open_workspace(settings).gallery
    create_link_artifact(gallery, link_text="Gallery", key="gallery", description="Pictures of the night")
