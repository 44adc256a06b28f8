"""Stage 4, generate: draw the pictures whose profile, text or recipe is new, with the registered model."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from fan_model.drawing.artist import ArtworkRequest, DrawingOptions
from fan_model.drawing.pictured_requests import images_of, with_images
from fan_model.drawing.starting import with_start
from fan_model.drawing.visible_change import visible_change
from fan_model.image_references.image_profile import ImageProfile
from fan_model.request_errors import RequestError
from feature_store.lake.stored_files import sha256
from feature_store.tables.artworks import (
    ArtworkRow,
    StalePicture,
    artwork_id,
)
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.item_pictures.reference_pictures import CrowdPicture
from feature_store.tables.runs import Run
from flows.model.champion import Champion
from flows.model.served_model import drawing_options
from flows.own_pictures.image_profiles import ImageProfiles
from flows.own_pictures.starts import OwnPictures
from flows.settings import Settings
from flows.stages.crowd import as_crowd, crowd_name
from flows.stages.pictures import GENERATED, DrawingOutcome, PictureFiles
from flows.stages.progress import DrawingProgress
from flows.stages.recipes import drawing_recipe, item_seed
from flows.workspace import IMAGES, Workspace

UNKNOWN_ITEM = "the catalogue does not know the item, so there is no text to draw"
Name = TypeVar("Name")
PAIRS_AT_ONCE = 32
"""Pairs drawn together: what a crash can cost."""


@dataclass(frozen=True, kw_only=True)
class DrawingJob:
    """What drawing a night's pictures needs, and what their rows say they came from."""

    settings: Settings
    workspace: Workspace
    champion: Champion
    run: Run
    crowd: Sequence[CrowdRow]
    """What pictures are contrasted with; none if there is none."""
    crowd_pictures: Sequence[CrowdPicture] = ()
    """The same, where items' own pictures act and are contrasted."""
    snapshot_id: int
    """The snapshot that profiles were read from."""

    @property
    def options(self) -> DrawingOptions:
        """The settings in the model's words; profiling is done already, so no reference is dropped here."""
        return drawing_options(self.settings, num_references=None, crowd=as_crowd(self.crowd))

    def options_of(self, request: ArtworkRequest) -> DrawingOptions:
        """How a request is drawn: where pictures act beside its texts, these act by their share."""
        images = images_of(request)
        if images is None or not images.references:
            return self.options
        alpha, contrast = self.settings.images.kinds.of_texts(self.options)
        return replace(self.options, alpha=alpha, contrast=contrast)

    @cached_property
    def recipe_digest(self) -> str:
        """Digest of what the pictures depend on, beside their profiles."""
        fingerprint = self.champion.artist.pipeline_fingerprint
        return drawing_recipe(self.settings, fingerprint, crowd_name(self.crowd), self.crowd_pictures)

    @property
    def pictures(self) -> PictureFiles:
        """The workspace's pictures."""
        return PictureFiles(
            artist=self.champion.artist,
            files=self.workspace.files,
            folder=IMAGES,
            image_format=self.settings.drawing.image_format,
        )

    @cached_property
    def own_pictures(self) -> OwnPictures:
        """What pictures begin as, where the settings say so."""
        return OwnPictures(self.settings)

    @cached_property
    def image_profiles(self) -> ImageProfiles:
        """What pictures speak for users, where the settings say so."""
        return ImageProfiles(self.settings, self.champion.artist, self.crowd_pictures)

    def digest(self, request: ArtworkRequest) -> str:
        """Digest all that a picture is made of."""
        return self.pictures.digest(request, self.options_of(request))

    def draw(self, requests: Mapping[str, ArtworkRequest]) -> dict[str, DrawingOutcome]:
        """Draw pictures into their files, by their digests."""
        drawn: dict[str, DrawingOutcome] = {}
        for options, digests in self.by_options(requests).items():
            drawn |= self.pictures.draw({digest: requests[digest] for digest in digests}, options)
        return drawn

    def by_options(self, requests: Mapping[Name, ArtworkRequest]) -> dict[DrawingOptions, list[Name]]:
        """The names of requests that are drawn alike."""
        alike: dict[DrawingOptions, list[Name]] = {}
        for name, request in requests.items():
            alike.setdefault(self.options_of(request), []).append(name)
        return alike

    def image_path(self, digest: str) -> str:
        """Name a picture's file, relative to the workspace."""
        return self.pictures.path(digest)

    def has_plain(self, digest: str, drawn: Mapping[str, DrawingOutcome]) -> bool:
        """Whether there is a file of a plain picture, which none was refused for tonight."""
        return not drawn.get(digest, GENERATED).reason and self.pictures.is_known(digest)

    def visible_change(self, image: bytes | None, plain: str | None) -> float | None:
        """How far a picture is from its plain twin to the eye; None if there are not both."""
        other = self.pictures.read(plain) if image and plain else None
        return visible_change(image, other) if image and other else None


def draw_pairs(
    job: DrawingJob, pairs: Sequence[StalePicture], about: str = ""
) -> tuple[list[ArtworkRow], int]:
    """Draw each pair's picture and its plain twin where no file has them.

    A thread draws pairs while the rows of those before them are made, so that the device is never idle.

    Args:
        job: what to draw with, and where to.
        pairs: users and items whose picture is to be drawn.
        about: which pairs they are, for those who watch.

    Returns:
        Their rows, and the number of plain pictures that were drawn beside them. A picture that another row
        has already is told from a new one when the rows are committed.
    """
    rows, num_plain = [], 0
    progress = DrawingProgress(len(pairs), about)
    for chunk in _draw_ahead(job, pairs):
        rows += _rows(job, chunk)
        num_plain += chunk.num_plain
        progress.advance(chunk.num_pairs)
    progress.close()
    return rows, num_plain


@dataclass(frozen=True)
class _PairRequests:
    """The two pictures that one pair needs."""

    pair: StalePicture
    personal: ArtworkRequest
    plain: ArtworkRequest


@dataclass(frozen=True)
class _DrawnChunk:
    """Pairs whose pictures are drawn, and not yet rows."""

    num_pairs: int
    wanted: Sequence[_PairRequests]
    refused: Sequence[tuple[StalePicture, str]]
    """Pairs that there is no text for, or that the model refuses, and why."""
    drawn: Mapping[str, DrawingOutcome]
    """Outcomes of what was asked of the artist for these pairs."""
    num_plain: int
    """Plain pictures among them that are nobody's personal one."""


def _draw_ahead(job: DrawingJob, pairs: Sequence[StalePicture]) -> Iterator[_DrawnChunk]:
    """Chunks of pairs in order; while one is looked at, the next is drawn."""
    chunks = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]
    with ThreadPoolExecutor(1, thread_name_prefix="draw") as device:
        ahead = device.submit(_draw, job, chunks[0]) if chunks else None
        for following in [*chunks[1:], None]:
            if ahead is None:
                return
            chunk = ahead.result()
            ahead = device.submit(_draw, job, following) if following else None
            yield chunk


def _draw(job: DrawingJob, pairs: Sequence[StalePicture]) -> _DrawnChunk:
    wanted, refused = _write_requests(job, pairs)
    requests = {job.digest(request): request for both in wanted for request in (both.personal, both.plain)}
    missing = {digest: request for digest, request in requests.items() if _is_to_draw(job, digest, request)}
    drawn = job.draw(missing)
    personal = {job.digest(both.personal) for both in wanted}
    num_plain = sum(digest not in personal and one == GENERATED for digest, one in drawn.items())
    return _DrawnChunk(len(pairs), wanted, refused, drawn, num_plain)


def _rows(job: DrawingJob, chunk: _DrawnChunk) -> list[ArtworkRow]:
    rows = [_row(job, both, chunk.drawn) for both in chunk.wanted]
    return rows + [_row_not_drawn(job, pair, reason) for pair, reason in chunk.refused]


def _write_requests(
    job: DrawingJob, pairs: Sequence[StalePicture]
) -> tuple[list[_PairRequests], list[tuple[StalePicture, str]]]:
    """Write the requests of all pairs; those that there is no text for, or that the model refuses, apart."""
    wanted, refused = [], []
    for pair in pairs:
        try:
            wanted.append(_PairRequests(pair, personal_request(job, pair), _plain_request(job, pair)))
        except RequestError as error:
            refused.append((pair, str(error) if pair.target_text else UNKNOWN_ITEM))
    return wanted, refused


def personal_request(job: DrawingJob, pair: StalePicture) -> ArtworkRequest:
    """What a user's picture of an item is drawn from.

    Raises:
        RequestError: There is no text to draw, or the model's limits refuse it.
    """
    speaks = pair.references and job.settings.images.takes_texts
    taste = {"references": pair.references, "weights": pair.weights} if speaks else {}
    return _begin(job, pair, {**_plain(job, pair), **taste}, job.image_profiles.find(pair))


def _plain_request(job: DrawingJob, pair: StalePicture) -> ArtworkRequest:
    """What the same picture is drawn from without personalization."""
    return _begin(job, pair, _plain(job, pair), job.image_profiles.find_plain(pair))


def _begin(
    job: DrawingJob, pair: StalePicture, fields: dict[str, Any], images: ImageProfile | None
) -> ArtworkRequest:
    """A request with what the settings want of pictures: those that act, and the one to begin with."""
    request = with_images(job.champion.artist.limits.parse_request(fields), images)
    return with_start(request, job.own_pictures.find(pair))


def _plain(job: DrawingJob, pair: StalePicture) -> dict[str, Any]:
    return {"prompt": pair.target_text, "seed": item_seed(job.settings, pair.item_id)}


def _is_to_draw(job: DrawingJob, digest: str, request: ArtworkRequest) -> bool:
    """Whether the model is to be asked: always for a text that is blocked by now, whatever was drawn."""
    return job.champion.artist.is_blocked(request) or not job.pictures.is_known(digest)


def _row(job: DrawingJob, both: _PairRequests, drawn: Mapping[str, DrawingOutcome]) -> ArtworkRow:
    digest, plain = job.digest(both.personal), job.digest(both.plain)
    outcome = drawn.get(digest, GENERATED)
    image = None if outcome.reason else job.pictures.read(digest)
    has_plain = job.has_plain(plain, drawn)
    return ArtworkRow(
        **_origin(job, both.pair, job.options_of(both.personal)),
        artwork_id=artwork_id(both.pair.user_key, both.pair.item_id, digest),
        artwork_digest=digest,
        image_path=job.image_path(digest) if image else None,
        image_sha256=sha256(image) if image else None,
        plain_image_path=job.image_path(plain) if has_plain else None,
        visible_change=job.visible_change(image, plain if has_plain else None),
        seed=both.personal.seed,
        num_references=len(both.personal.references),
        num_images=_count_images(both.personal),
        status=outcome.status,
        reason=outcome.reason,
    )


def _row_not_drawn(job: DrawingJob, pair: StalePicture, reason: str) -> ArtworkRow:
    return ArtworkRow(
        **_origin(job, pair, job.options),
        artwork_id=artwork_id(pair.user_key, pair.item_id, ""),
        num_references=len(pair.references),
        status="failed",
        reason=reason,
    )


def _count_images(request: ArtworkRequest) -> int:
    """How many pictures of references act, each once by its content."""
    images = images_of(request)
    return 0 if images is None else len(images.by_digest.references)


def _origin(job: DrawingJob, pair: StalePicture, options: DrawingOptions) -> dict[str, Any]:
    is_contrasted = bool(pair.references and options.contrasted_crowd)
    return {
        "user_key": pair.user_key,
        "item_id": pair.item_id,
        "profile_digest": pair.profile_digest,
        "target_id": pair.target_id,
        "alpha": options.alpha,
        "contrast": options.contrast if is_contrasted else None,
        "tokens_cut": pair.tokens_cut,
        "model_version": job.champion.version,
        "drawn_at": datetime.now(UTC),
        "recipe_digest": job.recipe_digest,
        "run_id": job.run.run_id,
        "snapshot_id": job.snapshot_id,
    }
