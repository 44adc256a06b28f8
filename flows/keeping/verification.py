"""Drawing stored pictures again: whether this machine gives today what the workspace has."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from fan_model.drawing.artist import Artwork, Undrawn
from fan_model.drawing.visible_change import visible_change
from feature_store.lake.lake import Lake
from feature_store.tables.artworks import StalePicture, scan_drawn_pictures
from feature_store.tables.runs import read_last_published
from flows.model.champion import load_champion
from flows.own_pictures.image_profiles import list_crowd_pictures
from flows.settings import Settings
from flows.stages.crowd import current_crowd
from flows.stages.generate import DrawingJob, personal_request
from flows.workspace import open_lake, open_workspace


class NothingStoredError(LookupError):
    """There is no picture that could be drawn again."""


@dataclass(frozen=True, kw_only=True)
class PictureComparison:
    """A stored picture beside the one that is drawn today."""

    artwork_digest: str
    has_same_bytes: bool = False
    has_same_pixels: bool = False
    distance: float | None = None
    """Visible change between the two; None where there is nothing to compare with."""
    reason: str = ""
    """Why there is nothing."""

    def agrees(self, furthest: float) -> bool:
        """Whether both are the same picture to the eye."""
        return self.distance is not None and self.distance <= furthest


def verify_pictures(settings: Settings, number: int) -> list[PictureComparison]:
    """Draw stored pictures again that today's settings and model would draw alike, and compare.

    Args:
        settings: Of the workspace; nothing in it is changed.
        number: How many; always the same ones, chosen by their digests.

    Raises:
        NothingStoredError: No picture is stored that these settings and this model would draw.
    """
    lake = open_lake(settings, read_only=True)
    try:
        job = _job(settings, lake)
        stored = scan_drawn_pictures(lake, recipe_digest=job.recipe_digest, most=number)
        if not stored:
            raise NothingStoredError(
                "no stored picture was drawn with these settings and this model: run `fan nightly` first, or "
                "use the settings that it ran with"
            )
        return list(_compare(job, stored))
    finally:
        lake.close()


def _job(settings: Settings, lake: Lake) -> DrawingJob:
    run = read_last_published(lake)
    if run is None:
        raise NothingStoredError("nothing is published yet: run `fan nightly` first")
    champion = load_champion(settings)
    crowd = current_crowd(settings, lake, champion.artist.encoder_fingerprint, datetime.now(UTC))
    return DrawingJob(
        settings=settings,
        snapshot_id=lake.snapshot_id(),
        workspace=open_workspace(settings),
        champion=champion,
        run=run,
        crowd=crowd,
        crowd_pictures=list_crowd_pictures(settings, lake, crowd),
    )


def _compare(job: DrawingJob, stored: list[StalePicture]) -> Iterator[PictureComparison]:
    for pair, artwork in zip(stored, _draw_again(job, stored), strict=True):
        digest = str(pair.artwork_digest)
        file = job.pictures.read(digest)
        if not isinstance(artwork, Artwork):
            yield PictureComparison(artwork_digest=digest, reason=str(artwork))
        elif artwork.artwork_digest != digest:
            yield PictureComparison(
                artwork_digest=digest, reason="its texts, profile or item's picture are others by now"
            )
        elif file is None:
            path = job.pictures.path(digest)
            yield PictureComparison(artwork_digest=digest, reason=f"there is no file {path}")
        else:
            yield compare_files(digest, file, artwork.image)


def _draw_again(job: DrawingJob, stored: list[StalePicture]) -> list[Artwork | Undrawn]:
    requests = {place: personal_request(job, pair) for place, pair in enumerate(stored)}
    drawn: dict[int, Artwork | Undrawn] = {}
    for options, places in job.by_options(requests).items():
        alike = job.champion.artist.draw_each([requests[place] for place in places], options)
        drawn |= zip(places, alike, strict=True)
    return [drawn[place] for place in range(len(stored))]


def compare_files(digest: str, stored: bytes, drawn: bytes) -> PictureComparison:
    """Compare a stored picture's file with one that was drawn today."""
    try:
        pixels = _pixels(stored)
    except OSError:
        return PictureComparison(
            artwork_digest=digest, reason="the stored file is damaged: run `fan maintain`"
        )
    return PictureComparison(
        artwork_digest=digest,
        has_same_bytes=stored == drawn,
        has_same_pixels=np.array_equal(pixels, _pixels(drawn)),
        distance=visible_change(stored, drawn),
    )


def describe_comparisons(compared: list[PictureComparison], furthest: float) -> list[str]:
    """Say how many pictures agree, and which do not."""
    same = [each for each in compared if each.has_same_bytes]
    pixels = [each for each in compared if each.has_same_pixels and not each.has_same_bytes]
    near = [each for each in compared if each.agrees(furthest) and not each.has_same_pixels]
    lines = [
        f"{len(compared)} pictures were drawn again: {len(same)} have the same bytes, {len(pixels)} others "
        f"the same pixels, {len(near)} others are within a visible change of {furthest:g}"
    ]
    lines += [_say(each) for each in compared if not each.agrees(furthest)]
    return lines


def _say(each: PictureComparison) -> str:
    if each.distance is None:
        return f"{each.artwork_digest}: not compared, {each.reason}"
    return f"{each.artwork_digest}: a visible change of {each.distance:.2f}"


def _pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
