"""What the library's door is given for one prompt or for several, as one request for each."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set, Sized
from dataclasses import replace
from numbers import Integral
from typing import Any

from fan_model.drawing.limits import OPTIONS, RequestLimits
from fan_model.drawing.pictured_requests import with_images
from fan_model.drawing.requests import ArtworkRequest
from fan_model.drawing.texts import is_readable
from fan_model.image_references.image_profile import ImageProfile
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste
from fan_model.request_errors import RequestError

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
    is_several = isinstance(prompt, Collection) and not isinstance(prompt, bytes | Mapping | Set)
    if not is_several:
        raise RequestError("prompt must be a text, or a list of texts")
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
        "references": _given("references", references) or [()] * len(prompt),
        "weights": _given("weights", weights) or [None] * len(prompt),
        "seed": seed if isinstance(seed, Sized) else [seed] * len(prompt),
    }


def _given(name: str, column: Iterable[Any] | None) -> list[Any]:
    """A column as a list; an array of several values is by itself neither true nor false."""
    if not isinstance(column, Iterable | None):
        raise RequestError(f"{name} must be as many as the prompts, one for each")
    return [] if column is None else list(column)


def _listed(images: Images, num_prompts: int) -> list[ImageProfile | None]:
    """A profile or None for each prompt.

    Raises:
        RequestError: Something else is given than profiles of pictures.
    """
    listed: list[ImageProfile | None] = [None] * num_prompts
    if images is not None:
        listed = [*images] if isinstance(images, Iterable) else [images]
    if not all(one is None or isinstance(one, ImageProfile) for one in listed):
        raise RequestError("images must be an ImageProfile for each prompt: make one with ImageProfile.of")
    return listed


def read_history(
    limits: RequestLimits, history: Texts | Taste, num_references: int, prompt: str | None
) -> tuple[Taste, SelectionPolicy]:
    """A history as a taste, and the policy that keeps so many references of it for a prompt.

    Raises:
        RequestError: It is no collection of texts, the number is none of references, or there is nothing to
            read in a text.
    """
    is_number = isinstance(num_references, Integral) and not isinstance(num_references, bool)
    if not is_number or not NUM_KEPT.admits(num_references):
        raise RequestError(f"num_references must be {NUM_KEPT.in_words()}")
    # A text is a sequence of texts as well: of its letters.
    texts = tuple(history) if isinstance(history, Iterable) and not isinstance(history, str) else None
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise RequestError("history must be a list of texts, or texts with their weights")
    for name, given in (("prompt", [] if prompt is None else [prompt]), ("each text of history", texts)):
        if not all(is_readable(text, limits.max_characters) for text in given):
            raise RequestError(f"{name} must be {limits.request['prompt'].in_words()}")
    taste = history if isinstance(history, Mapping) else dict.fromkeys(texts, 1.0)
    return taste, SelectionPolicy(fraction=1.0, max_references=int(num_references))
