"""The tasks of a night after it has taken logs in. Each opens what it needs, so that it can run elsewhere."""

from math import ceil

from feature_store.tables import artworks, profiles
from feature_store.tables.runs import Run, read_last_published, read_run
from feature_store.tables.targets import Bucket
from feature_store.vectors.reference_store import ReferenceStore
from flows.model.champion import load_champion
from flows.settings import Settings
from flows.stages.crowd import crowd_name, current_crowd, pin_crowd
from flows.stages.embed import embed
from flows.stages.generate import DrawingJob, draw_pairs
from flows.stages.profile import profile_pairs
from flows.stages.publish import UnfinishedNightError, publish, report_to_mlflow
from flows.stages.recipes import drawing_recipe, profile_recipe
from flows.stages.task_map import Counts
from flows.workspace import open_references, open_workspace, share_lake, share_references


def embed_texts(settings: Settings, run: Run) -> Counts:
    """Encode the texts that have no vectors yet."""
    artist = load_champion(settings).artist
    store = open_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
    lake = share_lake(settings)
    return embed(settings, lake, store, artist) | pin_crowd(settings, lake, store, run)


def profile_bucket(settings: Settings, run: Run, bucket: Bucket) -> Counts:
    """Profile the users of one bucket."""
    lake, store = share_lake(settings), _references(settings)
    crowd = current_crowd(settings, lake, store.encoder_fingerprint, run.window_end)
    recipe = profile_recipe(settings, store.encoder_fingerprint, crowd_name(crowd))
    pairs = profiles.scan_stale_pairs(
        lake, run, recipe_digest=recipe, max_users=settings.users_limit, bucket=bucket
    )
    return profile_pairs(settings, lake, store, run, pairs, crowd)


def generate_bucket(settings: Settings, run: Run, bucket: Bucket) -> Counts:
    """Draw the pictures of one bucket's users."""
    lake, champion, workspace = share_lake(settings), load_champion(settings), open_workspace(settings)
    crowd = current_crowd(settings, lake, champion.artist.encoder_fingerprint, run.window_end)
    job = DrawingJob(
        settings=settings, lake=lake, workspace=workspace, champion=champion, run=run, crowd=crowd
    )
    pairs = artworks.scan_stale_pictures(
        lake, run, recipe_digest=job.recipe_digest, max_users=settings.users_limit, bucket=bucket
    )
    return draw_pairs(job, pairs, f"bucket {bucket.number + 1} of {bucket.count}")


def publish_night(settings: Settings, run: Run) -> Counts:
    """Show the night to readers, and report it to MLflow.

    Raises:
        UnfinishedNightError: if there is something left to profile or to draw, or nothing was taken in yet.
    """
    lake, workspace = share_lake(settings), open_workspace(settings)
    if "ingest" not in read_run(lake, run.run_id).counts and read_last_published(lake) is None:
        raise UnfinishedNightError("nothing was taken in yet: run `fan ingest`, or all of `fan nightly`")
    if profile_buckets(settings, run):
        raise UnfinishedNightError("there are targets to profile: run `fan profile` and `fan generate` first")
    if generate_buckets(settings, run):
        raise UnfinishedNightError("there are pictures to draw: run `fan generate` first")
    counts = publish(settings, lake, workspace, run)
    report_to_mlflow(settings, workspace, read_run(lake, run.run_id))
    return counts


def profile_buckets(settings: Settings, run: Run) -> list[Bucket]:
    """Divide the users that are to be profiled into buckets; none if there is nobody."""
    lake, limit, encoder = (
        share_lake(settings),
        settings.users_limit,
        _references(settings).encoder_fingerprint,
    )
    crowd = current_crowd(settings, lake, encoder, run.window_end)
    recipe = profile_recipe(settings, encoder, crowd_name(crowd))
    return divide(settings, profiles.count_stale_users(lake, recipe_digest=recipe, max_users=limit))


def generate_buckets(settings: Settings, run: Run) -> list[Bucket]:
    """Divide the users whose pictures are to be drawn into buckets; none if there is nobody."""
    lake, limit, artist = share_lake(settings), settings.users_limit, load_champion(settings).artist
    crowd = current_crowd(settings, lake, artist.encoder_fingerprint, run.window_end)
    recipe = drawing_recipe(settings, artist.pipeline_fingerprint, crowd_name(crowd))
    return divide(settings, artworks.count_stale_users(lake, run, recipe_digest=recipe, max_users=limit))


def divide(settings: Settings, num_users: int) -> list[Bucket]:
    """Divide a number of users into the settings' buckets."""
    count = ceil(num_users / settings.bucket_users)
    return [Bucket(number, count) for number in range(count)]


def _references(settings: Settings) -> ReferenceStore:
    artist = load_champion(settings).artist
    return share_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
