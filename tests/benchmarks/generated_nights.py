"""Nights on generated logs: every stage but the drawing itself, which would only hide what the others cost.

`python -m tests.benchmarks.generated_nights FOLDER NUM_USERS` prints the peak memory of a night.
"""

import hashlib
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from feature_store.lake.lake import connect_duckdb
from feature_store.schemas import ARTWORKS
from feature_store.tables.artworks import ArtworkRow, StalePicture, artwork_id
from feature_store.tables.runs import Run, open_run, publish_run
from flows.model.champion import load_source
from flows.settings import Settings, read_settings
from flows.stages import night_tasks
from flows.stages.bucket_commits import FinishedBucket, commit_buckets
from flows.stages.bucket_files import work_folder
from flows.stages.crowd import crowd_name
from flows.stages.ingest import ingest
from flows.stages.night_tasks import DrawingWork
from flows.stages.recipes import drawing_recipe
from flows.workspace import open_workspace, share_lake
from tests.benchmarks.registry import peak_mib

EVENTS_PER_USER = 50
NUM_ITEMS = 5_000
SETTINGS = """
max_users = "all"
[[sources]]
adapter = "catalogue"
path = "catalogue.csv"
columns = { item_id = "item", title = "title" }
[[sources]]
adapter = "event_log"
path = "logs"
columns = { user_id = "user", item_id = "item", event_time = "time", event_id = "event" }
[targets]
method = "latest"
per_user = 1
[texts]
reference_template = "{title}"
target_template = "{title}"
"""


def write_logs(
    folder: Path, num_users: int, *, events_per_user: int = EVENTS_PER_USER, bucket_users: int = 4096
) -> Settings:
    """Write a catalogue, a log of every user and the settings."""
    (folder / "logs").mkdir(parents=True)
    connection = connect_duckdb()
    connection.execute(
        f"COPY (SELECT 'i' || i AS item, 'Title ' || i AS title FROM range({NUM_ITEMS}) AS t(i)) "
        f"TO '{folder}/catalogue.csv' (HEADER)"
    )
    write_events(folder, "all", f"i % {num_users}", num_users * events_per_user)
    (folder / "fan.toml").write_text(f"bucket_users = {bucket_users}\n{SETTINGS}")
    return read_settings(folder / "fan.toml")


def write_events(folder: Path, name: str, user: str, num_events: int) -> None:
    """Write a file of events; `user` is SQL over the event's number i."""
    connect_duckdb().execute(
        f"COPY (SELECT 'u' || ({user}) AS user, 'i' || (hash(i, '{name}') % {NUM_ITEMS}) AS item, "
        f"1600000000 + i AS time, '{name}' || i AS event FROM range({num_events}) AS t(i)) "
        f"TO '{folder}/logs/{name}.csv' (HEADER)"
    )


def run_night(settings: Settings) -> dict[str, int]:
    """Ingest, embed, profile, note pictures, publish, as a night does it; return counts."""
    counts = prepare_night(settings)
    run = open_run(share_lake(settings))
    counts |= work_off(settings, run)
    publish_run(share_lake(settings), run)
    return counts


def prepare_night(settings: Settings) -> dict[str, int]:
    """Ingest and embed; return counts."""
    lake = share_lake(settings)
    counts = ingest(settings, lake, open_run(lake))
    night_tasks.embed_texts(settings, open_run(lake))
    return counts


def work_off(settings: Settings, run: Run) -> dict[str, int]:
    """Profile and note pictures, bucket by bucket; return counts, those of buckets among them."""
    work = night_tasks.list_profiles(settings, run)
    finished = map(partial(night_tasks.profile_bucket, settings, work), work.numbers)
    commit = partial(night_tasks.commit_profile_buckets, settings, work)
    profiled = commit_buckets(finished, work.numbers, commit, name="profile")
    drawing = night_tasks.list_pictures(settings, run)
    noted = map(partial(_note_bucket, settings, drawing), drawing.numbers)
    commit = partial(night_tasks.commit_picture_buckets, settings, drawing)
    drawn = commit_buckets(noted, drawing.numbers, commit, name="pictures")
    return {
        "users_profiled": profiled.get("targets_profiled", 0),
        "pictures": sum(drawn.get(status, 0) for status in ("generated", "reused")),
        "buckets": len(work.numbers) + len(drawing.numbers),
    }


def _note_bucket(settings: Settings, work: DrawingWork, number: int) -> FinishedBucket:
    """Write the rows of a bucket's pictures, as drawing does, without a file of a picture."""
    folder = work_folder(open_workspace(settings).files, work.run, "generate")
    fingerprint = load_source(work.model).artist.pipeline_fingerprint
    recipe = drawing_recipe(settings, fingerprint, crowd_name(work.crowd))
    pairs = [StalePicture.read(row) for row in folder.read("todo", number).to_pylist()]
    rows = [_note_picture(pair, work, recipe) for pair in pairs]
    folder.write("rows", number, ARTWORKS.to_arrow(rows))
    return FinishedBucket(number)


def _note_picture(pair: StalePicture, work: DrawingWork, recipe: str) -> ArtworkRow:
    digest = hashlib.sha256(f"{pair.target_text}{pair.references}".encode()).hexdigest()
    return ArtworkRow(
        **{name: getattr(pair, name) for name in ("user_key", "item_id", "profile_digest", "target_id")},
        artwork_id=artwork_id(pair.user_key, pair.item_id, digest),
        artwork_digest=digest,
        alpha=0.3,
        contrast=None,
        num_references=len(pair.references),
        model_version="1",
        status="generated",
        drawn_at=datetime.now(UTC),
        recipe_digest=recipe,
        run_id=work.run.run_id,
        snapshot_id=work.snapshot_id,
    )


if __name__ == "__main__":
    run_night(write_logs(Path(sys.argv[1]), int(sys.argv[2])))
    print(peak_mib())
