"""Requests with pictures: what is wanted is told by texts, and by a profile of pictures."""

from dataclasses import fields
from typing import Any

from pydantic import InstanceOf
from pydantic.dataclasses import dataclass

from fan_model.drawing.requests import ArtworkRequest
from fan_model.image_references.image_profile import ImageProfile
from fan_model.method.personalization import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PicturedRequest(ArtworkRequest):
    """One picture wanted, for which pictures speak beside texts, or in their place."""

    images: InstanceOf[ImageProfile]
    """The target's own picture, and those that are liked."""

    def describe_images(self) -> dict[str, Any]:
        """All that the picture shows of other pictures, as plain values."""
        return {"images": self.images.describe()}


def with_images(request: ArtworkRequest, images: ImageProfile | None) -> ArtworkRequest:
    """A request, and the pictures that speak for it, if there are any."""
    if images is None:
        return request
    said = {one.name: getattr(request, one.name) for one in fields(ArtworkRequest)}
    return PicturedRequest(**said, images=images)


def images_of(request: ArtworkRequest) -> ImageProfile | None:
    """The pictures that speak for a request, None if only texts do."""
    return request.images if isinstance(request, PicturedRequest) else None
