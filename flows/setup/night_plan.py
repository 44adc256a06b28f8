"""What a night will take before it is begun: pictures, hours, and room on the disk, from a short warm-up."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from PIL import Image

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.pictured_requests import with_images
from fan_model.image_references.image_profile import ImageProfile
from feature_store.lake.lake import Lake
from feature_store.tables.artworks import count_stale_pictures, count_wanted, sample_texts
from feature_store.tables.crowds import CrowdRow
from feature_store.vectors.reference_store import open_as_it_is
from flows.model.champion import load_champion
from flows.model.served_model import drawing_options
from flows.own_pictures.image_profiles import list_crowd_pictures
from flows.settings import Settings
from flows.stages.crowd import as_crowd, crowd_name, current_crowd, is_another_due
from flows.stages.recipes import drawing_recipe, profile_recipe
from flows.workspace import open_lake, open_workspace

WARM_UPS = 1
"""Batches that are drawn before the one that is measured: the first is slower than all others."""
GREY_SIDES = (64, 64)
"""Of the picture that stands for any item's own, where pictures act."""
ANOTHER_CROWD = "another"
"""The name, as long as it has none, of a crowd that is not chosen yet: what looks at it is made anew."""
NO_TEXT = "a film poster"
"""What the warm-up draws where the lake knows no target yet."""


@dataclass(frozen=True, kw_only=True)
class NightPlan:
    """What a night will take."""

    num_users: int
    num_targets: int
    num_pictures: int
    """To draw: those for users, and a plain one of each of their items; at most, for some may be alike."""
    seconds_per_picture: float
    """Measured, in batches, with as many references as a profile may have."""
    bytes_per_picture: float
    """Of a file."""
    bytes_free: int
    """On the disk of the workspace."""

    @property
    def seconds(self) -> float:
        """That drawing will take."""
        return self.num_pictures * self.seconds_per_picture

    @property
    def bytes_needed(self) -> float:
        """For the files."""
        return self.num_pictures * self.bytes_per_picture


def plan_night(settings: Settings) -> NightPlan:
    """Count what is to be drawn as the lake is now, and measure a batch; nothing is kept.

    What a source file brings that was not taken in yet is not counted: run `fan ingest` first.
    """
    lake = open_lake(settings, read_only=True)
    try:
        champion = load_champion(settings)
        now = datetime.now(UTC)
        crowd = current_crowd(settings, lake, champion.artist.encoder_fingerprint, now)
        pictured = list_crowd_pictures(settings, lake, crowd)
        name = _crowd_of_the_night(settings, lake, crowd, now)
        recipe = drawing_recipe(settings, champion.artist.pipeline_fingerprint, name, pictured)
        profiled = profile_recipe(settings, champion.artist.encoder_fingerprint, name)
        users, targets = count_wanted(lake, max_users=settings.users_limit)
        options = drawing_options(settings, num_references=None, crowd=as_crowd(crowd))
        requests = _requests(settings, lake, champion.artist)
        seconds, size = _measure(champion.artist, requests, options)
        return NightPlan(
            num_users=users,
            num_targets=targets,
            num_pictures=sum(
                count_stale_pictures(
                    lake, recipe_digest=recipe, profile_recipe=profiled, max_users=settings.users_limit
                )
            ),
            seconds_per_picture=seconds,
            bytes_per_picture=size,
            bytes_free=shutil.disk_usage(open_workspace(settings).root).free,
        )
    finally:
        lake.close()


def _crowd_of_the_night(
    settings: Settings, lake: Lake, crowd: Sequence[CrowdRow], now: datetime
) -> str | None:
    """Name the crowd that the night will look at, as if it had been chosen if another is due."""
    workspace = open_workspace(settings)
    store = open_as_it_is(workspace.references, workspace.reference_copies)
    if store and is_another_due(settings, lake, store, crowd, now):
        return ANOTHER_CROWD
    return crowd_name(crowd)


def describe_plan(plan: NightPlan) -> list[str]:
    """Say what a night will take, and whether the disk has room for it."""
    lines = [
        f"{plan.num_users:,} users, {plan.num_targets:,} targets; {plan.num_pictures:,} pictures to draw",
        f"time: {_duration(plan.seconds)}, at {1 / plan.seconds_per_picture:.2f} pictures a second",
        f"disk: {_size(plan.bytes_needed)} for pictures, of {_size(plan.bytes_free)} that are free",
    ]
    if plan.bytes_needed > plan.bytes_free:
        lines.append("the disk is too small: make room, or set max_users")
    return lines


def _requests(settings: Settings, lake: Lake, artist: Artist) -> list[ArtworkRequest]:
    """A batch of requests as a night has them: texts of targets, and of as many references as are kept."""
    texts = sample_texts(lake, most=artist.batch_size) or [NO_TEXT]
    most = settings.profile.max_references or len(texts)
    references = tuple(sample_texts(lake, most=most))
    parse = artist.limits.parse_request
    grey = ImageProfile.of(Image.new("RGB", GREY_SIDES, "grey")) if artist.image_input else None
    return [
        with_images(parse({"prompt": texts[seed % len(texts)], "references": references, "seed": seed}), grey)
        for seed in range(artist.batch_size)
    ]


def _measure(
    artist: Artist, requests: Sequence[ArtworkRequest], options: DrawingOptions
) -> tuple[float, float]:
    """Seconds and bytes per picture of a batch.

    Raises:
        RequestError: It cannot be drawn, and so could the night not be.
    """
    for _ in range(WARM_UPS):
        artist.draw(requests, options)
    started = time.monotonic()
    drawn = artist.draw(requests, options)
    seconds = time.monotonic() - started
    sizes = [len(artwork.image) for artwork in drawn if not artwork.flagged]
    return seconds / len(drawn), sum(sizes) / max(len(sizes), 1)


def _duration(seconds: float) -> str:
    """In the largest unit that it has more than two of."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 2**20:,.1f} MiB" if num_bytes < 2**30 else f"{num_bytes / 2**30:,.1f} GiB"
