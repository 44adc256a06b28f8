"""What the library's door is given for one prompt or for several, as one request for each."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from numbers import Integral
from typing import Any

from fan_model.drawing.limits import OPTIONS, RequestLimits
from fan_model.drawing.pictured_requests import with_images
from fan_model.drawing.requests import ArtworkRequest, RequestError
from fan_model.image_references.image_profile import ImageProfile
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste

Texts = Sequence[str]
Weights = Sequence[float] | None
Images = ImageProfile | Sequence[ImageProfile | None] | None
NUM_KEPT = replace(OPTIONS["num_references"], optional=False)
"""How many references a selection may keep."""


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
        "references": _given(references) or [()] * len(prompt),
        "weights": _given(weights) or [None] * len(prompt),
        "seed": seed if isinstance(seed, Sized) else [seed] * len(prompt),
    }


def _given(column: Iterable[Any] | None) -> list[Any]:
    """A column as a list; an array of several values is by itself neither true nor false."""
    return [] if column is None else list(column)


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


def read_history(history: Texts | Taste, num_references: int) -> tuple[Taste, SelectionPolicy]:
    """A history as a taste, and the policy that keeps so many references of it.

    Raises:
        RequestError: It is no collection of texts, or the number is none of references.
    """
    is_number = isinstance(num_references, Integral) and not isinstance(num_references, bool)
    if not is_number or not NUM_KEPT.admits(num_references):
        raise RequestError(f"num_references must be {NUM_KEPT.in_words()}")
    # A text is a sequence of texts as well: of its letters.
    texts = tuple(history) if isinstance(history, Iterable) and not isinstance(history, str) else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise RequestError("history must be a list of texts, or texts with their weights")
    taste = history if isinstance(history, Mapping) else dict.fromkeys(texts, 1.0)
    return taste, SelectionPolicy(fraction=1.0, max_references=int(num_references))
