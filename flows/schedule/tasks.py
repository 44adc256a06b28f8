"""The Prefect tasks of the nightly flow. Each opens what it needs, so that it can run on another machine."""

from math import ceil
from typing import Any

import duckdb
import pyarrow as pa
from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from feature_store.lake.lake import Lake, is_transient
from feature_store.tables import artworks, profiles
from feature_store.tables.runs import Run, read_run
from feature_store.tables.targets import Bucket
from feature_store.vectors.reference_store import ReferenceStore
from flows.model.champion import Champion, load_champion
from flows.settings import Settings
from flows.stages.embed import embed
from flows.stages.generate import Studio, draw_pairs
from flows.stages.ingest import ingest
from flows.stages.profile import profile_pairs
from flows.stages.publish import UnfinishedNightError, publish, report_to_mlflow
from flows.stages.recipes import drawing_recipe, profile_recipe
from flows.workspace import open_lake, open_references, open_workspace, share_references


def is_worth_retrying(_task: object, _run: TaskRun, state: State) -> bool:
    """Retry what may go away by itself: a network that drops, a catalogue that is busy. Nothing else is."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, ConnectionError | TimeoutError) or (
        isinstance(error, duckdb.Error) and is_transient(error)
    )


RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 10, 60],
    "retry_condition_fn": is_worth_retrying,
    "cache_policy": NO_CACHE,
}


@task(name="ingest", **RETRIES)
def ingest_sources(settings: Settings, run: Run) -> dict[str, int]:
    """Take in what is new in the sources, and decide on the targets."""
    return ingest(settings, open_lake(settings), run)


@task(name="embed", **RETRIES)
def embed_texts(settings: Settings, run: Run) -> dict[str, int]:
    """Encode the texts that have no vectors yet."""
    artist = load_champion(settings).artist
    store = open_references(settings, encoder_revision=artist.encoder_fingerprint, width=artist.width)
    return embed(settings, open_lake(settings), store, artist)


@task(name="profile-bucket", **RETRIES)
def profile_bucket(settings: Settings, run: Run, bucket: Bucket) -> dict[str, int]:
    """Profile the users of one bucket."""
    lake, store = open_lake(settings), _references(settings)
    return profile_pairs(settings, lake, store, run, _pairs_to_profile(settings, lake, store, run, bucket))


@task(name="generate-bucket", **RETRIES)
def generate_bucket(settings: Settings, run: Run, bucket: Bucket) -> dict[str, int]:
    """Draw the pictures of one bucket's users."""
    lake, champion, workspace = open_lake(settings), load_champion(settings), open_workspace(settings)
    studio = Studio(settings=settings, lake=lake, workspace=workspace, champion=champion, run=run)
    return draw_pairs(studio, _pairs_to_draw(settings, lake, champion, run, bucket))


@task(name="publish", **RETRIES)
def publish_night(settings: Settings, run: Run) -> dict[str, int]:
    """Show the night to readers, and report it to MLflow and Prefect.

    Raises:
        UnfinishedNightError: if there is something left to profile or to draw.
    """
    lake, workspace = open_lake(settings), open_workspace(settings)
    if profile_buckets(settings, run):
        raise UnfinishedNightError("there are targets to profile: run `fan profile` and `fan generate` first")
    if generate_buckets(settings, run):
        raise UnfinishedNightError("there are pictures to draw: run `fan generate` first")
    counts = publish(settings, lake, workspace, run)
    night = read_run(lake, run.run_id)
    report_to_mlflow(settings, workspace, night)
    _report_to_prefect(night, (workspace.gallery / "index.html").as_uri())
    return counts


def profile_buckets(settings: Settings, run: Run) -> list[Bucket]:
    """Divide the users that are to be profiled into buckets; none if there is nobody."""
    recipe = profile_recipe(settings, _references(settings).encoder_revision)
    lake, limit = open_lake(settings), settings.users_limit
    return divide(settings, profiles.count_stale_users(lake, recipe_digest=recipe, max_users=limit))


def generate_buckets(settings: Settings, run: Run) -> list[Bucket]:
    """Divide the users whose pictures are to be drawn into buckets; none if there is nobody."""
    recipe = drawing_recipe(settings, load_champion(settings).artist.pipeline_fingerprint)
    lake, limit = open_lake(settings), settings.users_limit
    return divide(settings, artworks.count_stale_users(lake, run, recipe_digest=recipe, max_users=limit))


def divide(settings: Settings, num_users: int) -> list[Bucket]:
    """Divide a number of users into the settings' buckets."""
    count = ceil(num_users / settings.bucket_users)
    return [Bucket(number, count) for number in range(count)]


def _references(settings: Settings) -> ReferenceStore:
    artist = load_champion(settings).artist
    return share_references(settings, encoder_revision=artist.encoder_fingerprint, width=artist.width)


def _pairs_to_profile(
    settings: Settings, lake: Lake, store: ReferenceStore, run: Run, bucket: Bucket
) -> pa.Table:
    recipe = profile_recipe(settings, store.encoder_revision)
    return profiles.scan_stale_pairs(
        lake, run, recipe_digest=recipe, max_users=settings.users_limit, bucket=bucket
    )


def _pairs_to_draw(settings: Settings, lake: Lake, champion: Champion, run: Run, bucket: Bucket) -> pa.Table:
    recipe = drawing_recipe(settings, champion.artist.pipeline_fingerprint)
    return artworks.scan_stale_pairs(
        lake, run, recipe_digest=recipe, max_users=settings.users_limit, bucket=bucket
    )


def _report_to_prefect(night: dict[str, Any], gallery_uri: str) -> None:
    rows = [
        {"stage": stage, "count": name, "value": value}
        for stage, counts in night["counts"].items()
        for name, value in counts.items()
    ]
    create_table_artifact(rows, key="nightly-counts", description=f"Counts of run {night['run_id']}")
    create_link_artifact(gallery_uri, link_text="Gallery", key="gallery", description="Pictures of the night")
