"""What the library's door is given for one prompt or for several, as one request for each."""

from collections.abc import Sequence
from typing import Any

from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.pictured_requests import with_images
from fan_model.drawing.requests import ArtworkRequest, RequestError
from fan_model.image_references.image_profile import ImageProfile

Texts = Sequence[str]
Weights = Sequence[float] | None
Images = ImageProfile | Sequence[ImageProfile | None] | None


def read_requests(
    limits: RequestLimits,
    prompt: str | Texts,
    references: Texts | Sequence[Texts],
    weights: Weights | Sequence[Weights],
    seed: int | Sequence[int],
    images: Images,
) -> list[ArtworkRequest]:
    """One request per prompt, read as those of a service are; pictures are none of theirs.

    Raises:
        RequestError: There are not as many of something as prompts, or a value is out of its range.
    """
    columns = _columns(prompt, references, weights, seed)
    pictured = _listed(images, len(columns["prompt"]))
    for name, values in {**columns, "images": pictured}.items():
        if len(values) != len(columns["prompt"]):
            raise RequestError(f"{name} must be as many as the prompts, one for each")
    rows = zip(*columns.values(), strict=True)
    requests = [limits.parse_request(dict(zip(columns, row, strict=True))) for row in rows]
    return [with_images(request, one) for request, one in zip(requests, pictured, strict=True)]


def _columns(
    prompt: str | Texts,
    references: Texts | Sequence[Texts],
    weights: Weights | Sequence[Weights],
    seed: int | Sequence[int],
) -> dict[str, Sequence[Any]]:
    """The fields of requests, by their names, with a value for each prompt."""
    if isinstance(prompt, str):
        return {"prompt": [prompt], "references": [references], "weights": [weights], "seed": [seed]}
    return {
        "prompt": prompt,
        "references": references or [()] * len(prompt),
        "weights": weights or [None] * len(prompt),
        "seed": [seed] * len(prompt) if isinstance(seed, int) else seed,
    }


def _listed(images: Images, num_prompts: int) -> list[ImageProfile | None]:
    """A profile or None for each prompt.

    Raises:
        RequestError: Something else is given than profiles of pictures.
    """
    listed: list[ImageProfile | None] = [None] * num_prompts
    if images is not None:
        listed = [images] if isinstance(images, ImageProfile) else list(images)
    if not all(one is None or isinstance(one, ImageProfile) for one in listed):
        raise RequestError("images must be an ImageProfile for each prompt: make one with ImageProfile.of")
    return listed
