"""The night: ingest, embed, profile, generate, publish, one after another.

The truth about what is done is in the lake, so a night that was stopped is carried on by the next one. Who
runs the tasks, here and now or side by side on other machines, is the task map's business.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from feature_store.lake.lake import Lake
from feature_store.tables.runs import Run, RunRecord, fail_run, open_run, read_run, record_stage, reread_run
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.bucket_commits import commit_buckets
from flows.stages.ingest import ingest_sources
from flows.stages.task_map import IN_TURN, Counts, TaskMap
from flows.workspace import share_lake

STAGES = ("ingest", "embed", "profile", "generate", "publish")


def run_night(settings: Settings, stages: Sequence[str] = STAGES, tasks: TaskMap = IN_TURN) -> RunRecord:
    """Run stages in order, carrying on a run that is not published yet.

    Args:
        settings: of the night.
        stages: which of ingest, embed, profile, generate, publish.
        tasks: runs their tasks.

    Returns:
        What is noted of the run: its window, status, counts and seconds per stage, and what there is to know
        about the files that it took in.

    Raises:
        NightInProgressError: if another night is running on the workspace.
    """
    with hold_night(settings) as lock:
        lake = share_lake(settings)
        with lake.guarded_by(lock):
            run = open_run(lake, accepts_clock=settings.accept_clock)
            for stage in stages:
                _run_stage(stage, settings, lake, reread_run(lake, run), tasks)
            return read_run(lake, run.run_id)


def _run_stage(stage: str, settings: Settings, lake: Lake, run: Run, tasks: TaskMap) -> None:
    started = time.monotonic()
    try:
        counts = STAGE_FUNCTIONS[stage](settings, run, tasks)
    except BaseException as error:
        fail_run(lake, run, f"{stage} stopped: {type(error).__name__}")
        raise
    record_stage(lake, run, stage, counts, time.monotonic() - started)


def _ingest(settings: Settings, run: Run, tasks: TaskMap) -> Counts:
    return tasks.run("ingest", partial(ingest_sources, settings, run))


# What follows imports the model's libraries, for which taking logs in and keeping the clock need not wait.


def _embed(settings: Settings, run: Run, tasks: TaskMap) -> Counts:
    from flows.stages import night_tasks

    return tasks.run("embed", partial(night_tasks.embed_texts, settings, run))


def _profile(settings: Settings, run: Run, tasks: TaskMap) -> Counts:
    from flows.stages import night_tasks

    work = tasks.run("list-profiles", partial(night_tasks.list_profiles, settings, run))
    profile = partial(night_tasks.profile_bucket, night_tasks.for_workers(settings), work)
    commit = partial(night_tasks.commit_profile_buckets, settings, work)
    finished = tasks.map("profile-bucket", profile, work.numbers)
    return commit_buckets(finished, work.numbers, commit, name="profile")


def _generate(settings: Settings, run: Run, tasks: TaskMap) -> Counts:
    from flows.stages import night_tasks

    work = tasks.run("list-pictures", partial(night_tasks.list_pictures, settings, run))
    draw = partial(night_tasks.generate_bucket, night_tasks.for_workers(settings), work)
    commit = partial(night_tasks.commit_picture_buckets, settings, work)
    finished = tasks.map("generate-bucket", draw, work.numbers, whole_machine=True)
    none = dict.fromkeys(("generated", "reused", "flagged", "failed", "plain"), 0) if work.numbers else {}
    return none | commit_buckets(finished, work.numbers, commit, name="pictures")


def _publish(settings: Settings, run: Run, tasks: TaskMap) -> Counts:
    from flows.stages import night_tasks

    return tasks.run("publish", partial(night_tasks.publish_night, settings, run))


STAGE_FUNCTIONS: dict[str, Callable[[Settings, Run, TaskMap], Counts]] = {
    "ingest": _ingest,
    "embed": _embed,
    "profile": _profile,
    "generate": _generate,
    "publish": _publish,
}
