"""The tasks of a night after it has taken logs in.

Those of a bucket open what they need and ask the lake nothing, so that they can run on any machine that has
the workspace's files; what lists their work, and what commits their rows, runs where the night does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from feature_store.history.histories import make_histories, stream_candidates
from feature_store.history.neighbours import Neighbours
from feature_store.schemas import ARTWORKS, PROFILES
from feature_store.tables import artworks, profiles
from feature_store.tables.artworks import StalePicture, commit_artworks
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.item_pictures.reference_pictures import CrowdPicture
from feature_store.tables.profiles import commit_profiles, profile_states
from feature_store.tables.runs import Run, read_last_published, read_run
from feature_store.tables.targets import Bucket
from feature_store.vectors.reference_store import ReferenceStore
from flows.model.champion import ModelSource, load_champion, load_source
from flows.own_pictures.image_profiles import list_crowd_pictures
from flows.own_pictures.picture_embedding import check_takes_pictures, embed_pictures
from flows.own_pictures.starts import check_can_start, look_at_start_pictures
from flows.settings import Settings, on_this_machine
from flows.stages.bucket_commits import FinishedBucket
from flows.stages.bucket_files import WorkFolder, delete_work, work_folder
from flows.stages.crowd import crowd_name, current_crowd, pin_crowd
from flows.stages.embed import embed
from flows.stages.generate import DrawingJob, draw_pairs
from flows.stages.profile import ProfileOrigin, profile_rows
from flows.stages.publish import UnfinishedNightError, publish, report_to_mlflow
from flows.stages.recipes import drawing_recipe, profile_recipe
from flows.stages.task_map import Counts
from flows.workspace import open_references, open_workspace, share_lake, share_references


@dataclass(frozen=True, kw_only=True)
class BucketWork:
    """What all tasks of a stage are told."""

    run: Run
    numbers: tuple[int, ...]
    """Of the buckets."""
    crowd: tuple[CrowdRow, ...]
    snapshot_id: int
    """The snapshot that the work was listed from."""


@dataclass(frozen=True, kw_only=True)
class ProfileWork(BucketWork):
    """Pairs to profile, each with what there is to select from."""

    encoder_fingerprint: str
    width: int


@dataclass(frozen=True, kw_only=True)
class DrawingWork(BucketWork):
    """Pictures to draw."""

    model: ModelSource
    crowd_pictures: tuple[CrowdPicture, ...] = ()
    """What is contrasted with where items' own pictures act."""


def embed_texts(settings: Settings, run: Run) -> Counts:
    """Encode the texts that have no vectors yet, and look at the pictures that act beside them."""
    artist = load_champion(settings).artist
    check_takes_pictures(settings, artist)
    store = open_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
    lake = share_lake(settings)
    texts = embed(settings, lake, store, artist) | pin_crowd(settings, lake, store, run)
    return texts | embed_pictures(settings, lake, run, artist)


def list_profiles(settings: Settings, run: Run) -> ProfileWork:
    """List what is to be profiled, a file for each bucket of users, from one look at the lake."""
    lake, store = share_lake(settings), _references(settings)
    crowd = current_crowd(settings, lake, store.encoder_fingerprint, run.window_end)
    snapshot_id, buckets = lake.snapshot_id(), profile_buckets(settings, run)
    folder, numbers = _folder(settings, run, "profile"), []
    folder.empty()
    if buckets:
        connection = lake.cursor()
        pairs = profiles.number_stale_pairs(
            connection,
            run,
            recipe_digest=profile_recipe(settings, store.encoder_fingerprint, crowd_name(crowd)),
            max_users=settings.users_limit,
            num_buckets=len(buckets),
        )
        histories = make_histories(connection, pairs, known_before=run.window_end)
        if settings.profile.cold_start:
            size = settings.profile.little_history
            lent = Neighbours(store=store, known_before=run.window_end, size=size)
            lent.fill_up(connection, pairs, histories)
        numbers = folder.write_lists(stream_candidates(connection, pairs, histories))
        connection.close()
    return ProfileWork(
        run=run,
        numbers=tuple(numbers),
        crowd=tuple(crowd),
        snapshot_id=snapshot_id,
        encoder_fingerprint=store.encoder_fingerprint,
        width=store.width,
    )


def profile_bucket(settings: Settings, work: ProfileWork, number: int) -> FinishedBucket:
    """Select the references of one bucket's users, into files of rows."""
    settings = on_this_machine(settings)
    folder, encoder = _folder(settings, work.run, "profile"), work.encoder_fingerprint
    store = share_references(settings, encoder_fingerprint=encoder, width=work.width)
    recipe, run_id = profile_recipe(settings, encoder, crowd_name(work.crowd)), work.run.run_id
    origin = ProfileOrigin(encoder, recipe, run_id, work.snapshot_id)
    pairs, rows = profile_rows(settings, store, folder.read("todo", number), origin, work.crowd)
    folder.write("rows", number, PROFILES.to_arrow(rows))
    folder.write("states", number, profile_states(pairs, rows, recipe_digest=recipe, run_id=run_id))
    return FinishedBucket(number)


def commit_profile_buckets(settings: Settings, work: ProfileWork, numbers: Sequence[int]) -> Counts:
    """Write the profiles of some buckets into the lake, in one transaction."""
    folder = _folder(settings, work.run, "profile")
    rows, states = folder.addresses("rows", numbers), folder.addresses("states", numbers)
    return commit_profiles(share_lake(settings), rows, states)


def list_pictures(settings: Settings, run: Run) -> DrawingWork:
    """List the pictures that are to be drawn, a file for each bucket of users, from one look at the lake."""
    lake, champion = share_lake(settings), load_champion(settings)
    check_can_start(settings, champion.artist)
    check_takes_pictures(settings, champion.artist)
    look_at_start_pictures(settings, lake, run)
    crowd = current_crowd(settings, lake, champion.artist.encoder_fingerprint, run.window_end)
    crowd_pictures = list_crowd_pictures(settings, lake, crowd)
    fingerprint = champion.artist.pipeline_fingerprint
    snapshot_id, buckets = lake.snapshot_id(), generate_buckets(settings, run)
    folder, numbers = _folder(settings, run, "generate"), []
    folder.empty()
    if buckets:
        rows = artworks.stream_stale_pictures(
            lake,
            run,
            recipe_digest=drawing_recipe(settings, fingerprint, crowd_name(crowd), crowd_pictures),
            max_users=settings.users_limit,
            num_buckets=len(buckets),
        )
        numbers = folder.write_lists(rows)
    return DrawingWork(
        run=run,
        numbers=tuple(numbers),
        crowd=tuple(crowd),
        crowd_pictures=crowd_pictures,
        snapshot_id=snapshot_id,
        model=champion.source,
    )


def generate_bucket(settings: Settings, work: DrawingWork, number: int) -> FinishedBucket:
    """Draw the pictures of one bucket's users, and write their rows into a file."""
    settings = on_this_machine(settings)
    folder = _folder(settings, work.run, "generate")
    job = DrawingJob(
        settings=settings,
        workspace=open_workspace(settings),
        champion=load_source(work.model),
        run=work.run,
        crowd=work.crowd,
        crowd_pictures=work.crowd_pictures,
        snapshot_id=work.snapshot_id,
    )
    pairs = [StalePicture.read(row) for row in folder.read("todo", number).to_pylist()]
    rows, num_plain = draw_pairs(
        job, pairs, f"bucket {work.numbers.index(number) + 1} of {len(work.numbers)}"
    )
    folder.write("rows", number, ARTWORKS.to_arrow(rows))
    return FinishedBucket(number, {"plain": num_plain})


def commit_picture_buckets(settings: Settings, work: DrawingWork, numbers: Sequence[int]) -> Counts:
    """Write the rows of some buckets' pictures into the lake, in one transaction."""
    folder = _folder(settings, work.run, "generate")
    return commit_artworks(share_lake(settings), folder.addresses("rows", numbers))


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
    delete_work(workspace.files)
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
    pictured = list_crowd_pictures(settings, lake, crowd)
    recipe = drawing_recipe(settings, artist.pipeline_fingerprint, crowd_name(crowd), pictured)
    return divide(settings, artworks.count_stale_users(lake, run, recipe_digest=recipe, max_users=limit))


def divide(settings: Settings, num_users: int) -> list[Bucket]:
    """Divide a number of users into the settings' buckets."""
    count = ceil(num_users / settings.bucket_users)
    return [Bucket(number, count) for number in range(count)]


def for_workers(settings: Settings) -> Settings:
    """Leave out what tasks of a bucket do not open, which may hold a password: catalogue and sources."""
    return settings.model_copy(update={"catalog": None, "sources": ()})


def _folder(settings: Settings, run: Run, stage: str) -> WorkFolder:
    return work_folder(open_workspace(settings).files, run, stage)


def _references(settings: Settings) -> ReferenceStore:
    artist = load_champion(settings).artist
    return share_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
