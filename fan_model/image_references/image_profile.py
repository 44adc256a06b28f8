"""A target's own picture, and the weighted pictures that speak for a user."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from PIL import Image

from fan_model.drawing.requests import LEAST_WEIGHT, merge_weighted
from fan_model.encoders.text_encoders import Profile
from fan_model.method.crowd_contrast import MAX_CROWD, NOBODY, Crowd
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.profiling import FloatArray
from fan_model.method.selection_policy import MAX_REFERENCES
from fan_model.request_errors import RequestError


@dataclass(frozen=True)
class Picture:
    """A picture, known by its content."""

    digest: str
    """Of its content: two pictures with the same digest are one."""
    image: Image.Image | None = field(compare=False, repr=False)
    """None where `embedding` is all that will be asked for."""
    embedding: FloatArray | None = field(default=None, compare=False, repr=False)
    """[p] what the pipeline's own image encoder saw of it before, if that is known; families that take the
    states of all patches look at the picture all the same."""

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """A picture in memory, known by its pixels in RGB."""
        pixels = image.convert("RGB")
        content = f"{pixels.size}".encode() + pixels.tobytes()
        return cls(hashlib.sha256(content).hexdigest(), pixels)

    @property
    def pixels(self) -> Image.Image:
        """The picture itself.

        Raises:
            RequestError: Only its embedding is known.
        """
        if self.image is None:
            raise RequestError("images must be given as pictures: this pipeline looks at them itself")
        return self.image


@dataclass(frozen=True, kw_only=True)
class ImageProfile:
    """What one picture is to look like: its target's own picture, drawn towards what a user likes.

        ImageProfile.of(cover, [liked_cover, other_cover], weights=[2.0, 1.0])

    Raises:
        RequestError: Weights are not one per picture and above 0, or there are too many of them.
    """

    target: Picture
    references: tuple[Picture, ...] = ()
    weights: tuple[float, ...] = ()
    """One per reference, above 0; only their proportions matter."""
    crowd: tuple[Picture, ...] = ()
    """What everybody likes, for a contrast."""
    crowd_weights: tuple[float, ...] = ()
    """One per picture of the crowd, above 0; only their proportions matter."""
    how: ImagePersonalization = ImagePersonalization()

    def __post_init__(self) -> None:
        _check("image references", self.references, self.weights, MAX_REFERENCES)
        _check("pictures of the crowd", self.crowd, self.crowd_weights, MAX_CROWD)

    @classmethod
    def of(
        cls,
        target: Image.Image,
        references: Sequence[Image.Image] = (),
        weights: Sequence[float] | None = None,
        *,
        crowd: Sequence[Image.Image] = (),
        crowd_weights: Sequence[float] | None = None,
        how: ImagePersonalization | None = None,
    ) -> Self:
        """A profile of pictures in memory; weights are all equal if they are not given."""
        return cls(
            target=Picture.of(target),
            references=tuple(map(Picture.of, references)),
            weights=(1.0,) * len(references) if weights is None else tuple(weights),
            crowd=tuple(map(Picture.of, crowd)),
            crowd_weights=(1.0,) * len(crowd) if crowd_weights is None else tuple(crowd_weights),
            how=how or ImagePersonalization(),
        )

    @property
    def by_digest(self) -> Profile:
        """The profile in the digests of its pictures: what they count for is what texts would count for.

        In its one spelling, so that neither order nor scale of weights changes a bit of what follows.
        """
        references, weights = merge_weighted([one.digest for one in self.references], self.weights)
        crowd = merge_weighted([one.digest for one in self.crowd], self.crowd_weights)
        contrasted = Crowd(*crowd) if self.how.contrast else NOBODY
        return Profile(self.target.digest, references, weights, contrasted)

    @property
    def pictures(self) -> dict[str, Picture]:
        """Every picture of it, by its digest."""
        return {one.digest: one for one in (self.target, *self.references, *self.crowd)}

    def describe(self) -> dict[str, Any]:
        """All of it that a picture shows, as plain values."""
        named = self.by_digest
        unseen = {"skip_layers"} if self.how.method == "mean" else set()
        if not named.references:
            unseen = {one.name for one in fields(ImagePersonalization)}
        elif named.contrasts(self.how.shares):
            unseen |= {"alpha"}
        else:
            unseen |= {"contrast"}
        told = {one.name: getattr(self.how, one.name) for one in fields(ImagePersonalization)}
        told["skip_layers"] = sorted(set(self.how.skip_layers))
        return {
            "target": named.target,
            "references": named.references,
            "weights": named.weights,
            "crowd": named.crowd.texts if named.references else (),
            "crowd_weights": named.crowd.weights if named.references else (),
            **{name: value for name, value in told.items() if name not in unseen},
        }


def _check(what: str, pictures: Sequence[Picture], weights: Sequence[float], most: int) -> None:
    if len(pictures) > most:
        raise RequestError(f"{what} must be at most {most}: there are {len(pictures)}")
    if len(pictures) != len(weights):
        raise RequestError(
            f"weights must be as many as the {what}: there are {len(weights)} weights and {len(pictures)}"
        )
    if not all(LEAST_WEIGHT <= weight < math.inf for weight in weights):
        raise RequestError(f"weights of {what} must be above 0")
