"""The nightly flow: ingest, embed, profile, generate, publish.

The truth about what is done is in the lake; Prefect orders the stages, retries what is transient and shows
what happened. Tasks exchange a run and the numbers of buckets, never arrays.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow, unmapped
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from feature_store.lake.lake import Lake
from feature_store.tables.runs import Run, fail_run, open_run, read_run, record_stage, reread_run
from flows.schedule import tasks
from flows.schedule.server import start_temporary_server
from flows.settings import Settings, read_settings
from flows.workspace import check_writable, open_lake, open_workspace

STAGES = ("ingest", "embed", "profile", "generate", "publish")


class NightInProgressError(RuntimeError):
    """Another night is running on this workspace."""


@flow(name="nightly", task_runner=ThreadPoolTaskRunner(max_workers=2), validate_parameters=False)
def nightly(settings_file: str | None = None, stages: Sequence[str] = STAGES) -> dict[str, Any]:
    """Run the stages in order, carrying on a run that is not published yet.

    Args:
        settings_file: TOML file of the settings, `fan.toml` by default.
        stages: which of ingest, embed, profile, generate, publish.

    Returns:
        The run's row: its window, status, counts and seconds per stage.

    Raises:
        NightInProgressError: if another night is running on the workspace.
    """
    settings = read_settings(Path(settings_file) if settings_file else None)
    with hold_night(settings):
        lake = open_lake(settings)
        run = open_run(lake)
        for stage in stages:
            _run_stage(STAGE_FUNCTIONS[stage], stage, settings, lake, reread_run(lake, run))
        return read_run(lake, run.run_id)


def run_locally(settings_file: Path | None, stages: Sequence[str]) -> dict[str, Any]:
    """Run the flow in this process, named after its stages; Prefect starts a server if none is configured."""
    name = "nightly" if tuple(stages) == STAGES else "-".join(stages)
    start_temporary_server()
    named = nightly.with_options(name=name)
    # A heartbeat keeps the process a second longer at the end of each flow; nobody watches this one for it.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return named(str(settings_file) if settings_file else None, stages)


@contextmanager
def hold_night(settings: Settings) -> Iterator[None]:
    """Let one night run on a workspace at a time; a killed night's lock goes with its process."""
    check_writable(settings)
    lock = FileLock(open_workspace(settings).root / "night.lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise NightInProgressError(
            f"another night is running on {settings.workspace}: wait for it to finish, or stop it"
        ) from error


def _run_stage(
    stage_function: Callable[[Settings, Run], dict[str, int]],
    stage: str,
    settings: Settings,
    lake: Lake,
    run: Run,
) -> None:
    started = time.monotonic()
    try:
        counts = stage_function(settings, run)
    except BaseException as error:
        fail_run(lake, run, f"{stage} stopped: {type(error).__name__}")
        raise
    record_stage(lake, run, stage, counts, time.monotonic() - started)


def _profile(settings: Settings, run: Run) -> dict[str, int]:
    """Profile the users' buckets side by side."""
    buckets = tasks.profile_buckets(settings, run)
    futures = tasks.profile_bucket.map(unmapped(settings), unmapped(run), buckets)
    return _total(future.result() for future in futures)


def _generate(settings: Settings, run: Run) -> dict[str, int]:
    """Draw the buckets one after another: a picture uses every core, or the whole device."""
    return _total(
        tasks.generate_bucket(settings, run, bucket) for bucket in tasks.generate_buckets(settings, run)
    )


def _total(counts: Iterator[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for bucket in counts:
        total.update(bucket)
    return dict(total)


STAGE_FUNCTIONS: dict[str, Callable[[Settings, Run], dict[str, int]]] = {
    "ingest": tasks.ingest_sources,
    "embed": tasks.embed_texts,
    "profile": _profile,
    "generate": _generate,
    "publish": tasks.publish_night,
}
