"""Requests with pictures: what is wanted is told by texts, and by a profile of pictures."""

from collections.abc import Sequence
from typing import Any

from pydantic import InstanceOf
from pydantic.dataclasses import dataclass

from fan_model.drawing.requests import ArtworkRequest
from fan_model.image_references.image_inputs import ImageInput
from fan_model.image_references.image_profile import ImageProfile
from fan_model.method.personalization import STRICT
from fan_model.request_errors import RequestError


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PicturedRequest(ArtworkRequest):
    """One picture wanted, for which pictures speak beside texts, or in their place."""

    images: InstanceOf[ImageProfile]
    """The target's own picture, and those that are liked."""

    def describe_pictures(self) -> dict[str, Any]:
        """All that the picture shows of other pictures, as plain values."""
        return {"images": self.images.describe()}


def with_images(request: ArtworkRequest, images: ImageProfile | None) -> ArtworkRequest:
    """A request, and the pictures that speak for it, if there are any."""
    if images is None:
        return request
    return PicturedRequest(**request.own_fields, images=images)


def images_of(request: ArtworkRequest) -> ImageProfile | None:
    """The pictures that speak for a request, None if only texts do."""
    return request.images if isinstance(request, PicturedRequest) else None


def check_images(
    requests: Sequence[ArtworkRequest], image_input: ImageInput | None, *, reads_texts: bool
) -> None:
    """Refuse pictures that a pipeline cannot take, and the lack of those that it must have.

    Args:
        requests: what is wanted.
        image_input: where pictures enter the pipeline; None if nowhere.
        reads_texts: whether the pipeline reads texts, too.

    Raises:
        RequestError: It is so.
    """
    has_images = [images_of(request) is not None for request in requests]
    if image_input is None and any(has_images):
        raise RequestError("images must be none: this pipeline takes no pictures")
    if image_input is not None and image_input.needs_picture and not all(has_images):
        raise RequestError("images must be given: this pipeline draws from a picture of the target")
    if not reads_texts and any(request.references for request in requests):
        raise RequestError("references must be none: this pipeline reads no texts; give images")
