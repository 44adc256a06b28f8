"""Nights on generated logs: every stage but the drawing itself, which would only hide what the others cost.

`python -m tests.benchmarks.generated_nights FOLDER NUM_USERS` prints the peak memory of a night.
"""

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from feature_store.lake.lake import Lake, connect_duckdb
from feature_store.tables import artworks, profiles
from feature_store.tables.runs import open_run, publish_run
from feature_store.tables.targets import Bucket
from flows.model.champion import load_champion
from flows.settings import Settings, read_settings
from flows.stages.embed import embed
from flows.stages.ingest import ingest
from flows.stages.profile import profile_pairs
from flows.stages.recipes import profile_recipe
from flows.workspace import open_references
from tests.benchmarks.registry import peak_mib

EVENTS_PER_USER = 50
NUM_ITEMS = 5_000
SETTINGS = """
max_users = "all"
bucket_users = 4096
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


def write_logs(folder: Path, num_users: int) -> Settings:
    """Write a catalogue, a log of every user and the settings."""
    (folder / "logs").mkdir(parents=True)
    connection = connect_duckdb()
    connection.execute(
        f"COPY (SELECT 'i' || i AS item, 'Title ' || i AS title FROM range({NUM_ITEMS}) AS t(i)) "
        f"TO '{folder}/catalogue.csv' (HEADER)"
    )
    write_events(folder, "all", f"i % {num_users}", num_users * EVENTS_PER_USER)
    (folder / "fan.toml").write_text(SETTINGS)
    return read_settings(folder / "fan.toml")


def write_events(folder: Path, name: str, user: str, num_events: int) -> None:
    """Write a file of events; `user` is SQL over the event's number i."""
    connect_duckdb().execute(
        f"COPY (SELECT 'u' || ({user}) AS user, 'i' || (hash(i, '{name}') % {NUM_ITEMS}) AS item, "
        f"1600000000 + i AS time, '{name}' || i AS event FROM range({num_events}) AS t(i)) "
        f"TO '{folder}/logs/{name}.csv' (HEADER)"
    )


def run_night(settings: Settings) -> dict[str, int]:
    """Ingest, embed, profile, note pictures, publish; return counts."""
    lake = Lake(settings.workspace / "lake")
    run = open_run(lake)
    counts = ingest(settings, lake, run)
    run = open_run(lake)
    artist = load_champion(settings).artist
    store = open_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
    embed(settings, lake, store, artist)
    counts |= {"users_profiled": 0, "pictures": 0}
    recipe = profile_recipe(settings, store.encoder_fingerprint)
    stale = profiles.count_stale_users(lake, recipe_digest=recipe, max_users=None)
    for bucket in _divide(settings, stale):
        pairs = profiles.scan_stale_pairs(lake, run, recipe_digest=recipe, max_users=None, bucket=bucket)
        counts["users_profiled"] += profile_pairs(settings, lake, store, run, pairs)["targets_profiled"]
    for bucket in _divide(settings, artworks.count_stale_users(lake, run, recipe_digest="d", max_users=None)):
        counts["pictures"] += _note_pictures(lake, run, bucket)
    publish_run(lake, run)
    lake.close()
    return counts


def _divide(settings: Settings, num_users: int) -> list[Bucket]:
    count = -(-num_users // settings.bucket_users)
    return [Bucket(number, count) for number in range(count)]


def _note_pictures(lake: Lake, run, bucket: Bucket) -> int:
    """Write the rows of a bucket's pictures, as drawing does, without a file."""
    pairs = artworks.scan_stale_pictures(lake, run, recipe_digest="d", max_users=None, bucket=bucket)
    rows = []
    for pair in pairs:
        digest = hashlib.sha256(f"{pair.target_text}{pair.references}".encode()).hexdigest()
        rows.append(
            artworks.ArtworkRow(
                **{
                    name: getattr(pair, name)
                    for name in ("user_key", "item_id", "profile_digest", "target_id")
                },
                artwork_id=artworks.artwork_id(pair.user_key, pair.item_id, digest),
                artwork_digest=digest,
                alpha=0.3,
                contrast=None,
                num_references=len(pair.references),
                model_version="1",
                status="generated",
                drawn_at=datetime.now(UTC),
                recipe_digest="d",
                run_id=run.run_id,
                snapshot_id=0,
            )
        )
    artworks.replace_artworks(lake, rows)
    return len(rows)


if __name__ == "__main__":
    run_night(write_logs(Path(sys.argv[1]), int(sys.argv[2])))
    print(peak_mib())
