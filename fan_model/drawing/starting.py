"""Pictures that begin as another picture: image to image, with the same parts of the same pipeline.

Only whoever has the picture at hand can ask for it, the library's callers and the nights: a request of the
service names no picture.
"""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from numbers import Real
from typing import Any

import diffusers
from diffusers import DiffusionPipeline
from PIL import Image, ImageOps
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from fan_model.drawing.pictured_requests import images_of
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.image_references.image_profile import Picture
from fan_model.method.personalization import STRICT
from fan_model.request_errors import RequestError

IMAGE_TO_IMAGE = {
    "StableDiffusionPipeline": "StableDiffusionImg2ImgPipeline",
    "StableDiffusionXLPipeline": "StableDiffusionXLImg2ImgPipeline",
    "FluxPipeline": "FluxImg2ImgPipeline",
}
"""Pipelines of diffusers, and those of the same parts that begin with a picture."""
USUAL_STRENGTH = 0.6
_NO_IMAGE = "start must be a PIL image, or one for each prompt: open files with PIL.Image.open"


@plain_dataclass(frozen=True)
class StartPicture:
    """A picture that another begins as; known by its content."""

    image: Image.Image = field(compare=False, repr=False)
    sha256: str
    """Of what it was read from, in hexadecimal."""
    strength: float
    """How much of it is drawn over, above 0 and at most 1: at 1 next to nothing of it is left."""

    @classmethod
    def of(cls, image: Image.Image, strength: float) -> "StartPicture":
        """Know a picture in memory by its pixels.

        Raises:
            RequestError: It is no picture in memory, or the strength is out of its range.
        """
        if not isinstance(image, Image.Image):
            raise RequestError(_NO_IMAGE)
        if not isinstance(strength, Real) or not 0 < strength <= 1:
            raise RequestError("strength must be above 0 and at most 1")
        picture = Picture.of(image)
        return cls(picture.pixels, picture.digest, strength)

    def fit(self, width: int, height: int) -> Image.Image:
        """The picture in another size, cut at two sides where it has another shape."""
        return ImageOps.fit(self.image.convert("RGB"), (width, height), Image.Resampling.BICUBIC)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(**STRICT, arbitrary_types_allowed=True))
class StartedRequest(ArtworkRequest):
    """One picture wanted that begins as another."""

    start: StartPicture

    def describe_pictures(self) -> dict[str, Any]:
        """The picture that it begins as, by its content."""
        return {"start": {"sha256": self.start.sha256, "strength": self.start.strength}}


Starts = Image.Image | Sequence[Image.Image | None] | None


def start_of(request: ArtworkRequest) -> StartPicture | None:
    """The picture that a request begins with, None if it begins with noise alone."""
    return request.start if isinstance(request, StartedRequest) else None


def with_start(request: ArtworkRequest, start: StartPicture | None) -> ArtworkRequest:
    """The same request, beginning with a picture if there is one.

    Raises:
        RequestError: Pictures speak for it already.
    """
    if start is None:
        return request
    if images_of(request) is not None:
        raise RequestError("start must be none where images are given: a picture begins one way or the other")
    return StartedRequest(**request.own_fields, start=start)


def with_starts(requests: Sequence[ArtworkRequest], starts: Starts, strength: float) -> list[ArtworkRequest]:
    """Let each request begin with its picture, or all of them with the only one.

    Raises:
        RequestError: There is something else than pictures, or not as many as requests, or the strength is
            out of its range.
    """
    if isinstance(starts, str | bytes) or not isinstance(starts, Image.Image | Iterable | None):
        raise RequestError(_NO_IMAGE)
    images = [starts] * len(requests) if starts is None or isinstance(starts, Image.Image) else [*starts]
    if len(images) != len(requests):
        raise RequestError("start must be as many as the prompts, one for each, or a single one for all")
    return [
        with_start(request, None if image is None else StartPicture.of(image, strength))
        for request, image in zip(requests, images, strict=True)
    ]


def check_starts(
    requests: Sequence[ArtworkRequest],
    options: DrawingOptions,
    pipeline: DiffusionPipeline,
    *,
    offloads: bool,
) -> None:
    """Refuse requests that begin with a picture where the pipeline cannot, or where no step would be left.

    Raises:
        RequestError: It is so.
    """
    strengths = [start.strength for start in map(start_of, requests) if start is not None]
    if not strengths:
        return
    name = type(pipeline).__name__
    if name not in IMAGE_TO_IMAGE:
        raise RequestError(
            f"start must be none: {name} cannot begin with a picture, {', '.join(IMAGE_TO_IMAGE)} can"
        )
    if offloads:
        raise RequestError(
            "start must be none where model.offload keeps parts of the pipeline off the device"
        )
    if int(options.steps * min(strengths)) < 1:
        raise RequestError(f"strength must be at least {1 / options.steps:.3g}: else no step is left to draw")


def are_alike(one: ArtworkRequest, other: ArtworkRequest) -> bool:
    """Whether two requests can be drawn in one call: both begin with noise, or both alike with a picture."""
    strengths = [start.strength if start else None for start in map(start_of, (one, other))]
    return strengths[0] == strengths[1]


def image_to_image(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """The pipeline of the same parts that begins with a picture.

    Made from the parts themselves: diffusers' own `from_pipe` would cast their weights.
    """
    kind: Any = getattr(diffusers, IMAGE_TO_IMAGE[type(pipeline).__name__])
    taken = inspect.signature(kind.__init__).parameters
    parts = {**pipeline.config, **pipeline.components}
    made: Any = kind(**{name: part for name, part in parts.items() if name in taken})
    if hasattr(pipeline, "watermark"):
        made.watermark = pipeline.watermark
    made.set_progress_bar_config(disable=True)
    return made


def starting_arguments(
    pipeline: DiffusionPipeline,
    arguments: dict[str, Any],
    starts: Sequence[StartPicture],
    *,
    width: int,
    height: int,
) -> dict[str, Any]:
    """What a pipeline of `image_to_image` takes in the place of a text-to-image call's arguments."""
    taken = inspect.signature(type(pipeline).__call__).parameters
    kept = {name: value for name, value in arguments.items() if name in taken}
    images = [start.fit(width, height) for start in starts]
    return {**kept, "image": images, "strength": starts[0].strength}
