"""What may be asked of the artist, and what is refused.

Types and ranges that hold everywhere are checked when a request or its options are made; what a deployment or
a pipeline allows is checked against `RequestLimits`. Every refusal is one sentence that names the field and
never repeats its text.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

Prompt = Annotated[str, Field(min_length=1, pattern=r"\S")]
Weight = Annotated[float, Field(gt=0)]
Layer = Annotated[int, Field(ge=0)]
Pixels = Annotated[int, Field(ge=1)]

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

MAX_SEED = 2**63 - 1


class RequestError(ValueError):
    """A request that cannot be served; the message is safe to show to whoever sent it."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ArtworkRequest:
    """One picture wanted: what it shows, and whose taste it takes on."""

    prompt: Prompt
    """The target's text."""
    references: tuple[Prompt, ...] = ()
    """Texts that speak for the user."""
    weights: tuple[Weight, ...] | None = None
    """Preference strength of each reference, above 0; all equal if not given. Only proportions matter."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Seed of the picture's noise."""

    @model_validator(mode="after")
    def _one_weight_per_reference(self) -> "ArtworkRequest":
        if self.weights is not None and len(self.weights) != len(self.references):
            raise ValueError(
                f"weights has {len(self.weights)} numbers for {len(self.references)} references; "
                "give one per reference"
            )
        return self

    @property
    def strengths(self) -> tuple[float, ...]:
        """The weight of each reference, 1 where none are given."""
        return self.weights if self.weights is not None else (1.0,) * len(self.references)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DrawingOptions:
    """How pictures are drawn; the same for all pictures of a call."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Degree of personalization: 0 shows the target only, 1 the references only."""
    num_references: Annotated[int, Field(ge=1)] | None = 10
    """References kept by tailored profiling; None keeps all that are given."""
    num_inference_steps: Annotated[int, Field(ge=1)] = 20
    """Denoising steps; more are slower and finer."""
    guidance_scale: Annotated[float, Field(ge=0)] = 3.5
    """How strongly the picture follows its condition."""
    height: Pixels | None = None
    """Pixels; the pipeline's own size if not given."""
    width: Pixels | None = None
    """Pixels; the pipeline's own size if not given."""
    negative_prompt: str = ""
    """What guidance leads away from."""
    image_format: Literal["png", "webp"] = "png"
    """File format of the picture; both lossless."""
    skip_layers: tuple[Layer, ...] = (0,)
    """Encoder layers without personalized attention; () is the paper's ablation "without skip"."""
    target_query: bool = True
    """False: start from the empty text, the paper's ablation "without target query"."""
    profiling: bool = True
    """False: use every reference, the paper's ablation "without profiling"."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RequestLimits:
    """What a deployment allows."""

    max_characters: Annotated[int, Field(ge=1)] = 2_000
    """Length of a prompt, a negative prompt or a reference."""
    max_references: Annotated[int, Field(ge=1)] = 5_000
    """References of one request, before profiling."""
    max_inference_steps: Annotated[int, Field(ge=1)] = 150
    max_guidance_scale: Annotated[float, Field(gt=0)] = 50.0
    max_side: Annotated[int, Field(ge=8)] = 2_048
    """Height or width in pixels."""

    def check_request(self, request: ArtworkRequest) -> None:
        """Refuse a request beyond the limits.

        Raises:
            RequestError: A text is too long, or there are too many references.
        """
        _at_most("prompt", len(request.prompt), self.max_characters, "characters")
        _at_most("references", len(request.references), self.max_references, "texts")
        longest = max(map(len, request.references), default=0)
        _at_most("references", longest, self.max_characters, "characters in one text")

    def check_options(self, options: DrawingOptions, *, multiple_of: int) -> None:
        """Refuse options beyond the limits, or a size that the pipeline cannot draw.

        Args:
            options: What is asked for.
            multiple_of: Pixels; the pipeline's height and width are multiples of it.

        Raises:
            RequestError: A number is too large, or a size does not divide.
        """
        _at_most("negative_prompt", len(options.negative_prompt), self.max_characters, "characters")
        _at_most("num_inference_steps", options.num_inference_steps, self.max_inference_steps, "steps")
        _at_most("guidance_scale", options.guidance_scale, self.max_guidance_scale, "as guidance")
        for name, side in (("height", options.height), ("width", options.width)):
            if side is None:
                continue
            _at_most(name, side, self.max_side, "pixels")
            if side % multiple_of:
                raise RequestError(f"{name} is {side} pixels; it must be a multiple of {multiple_of}")


def parse_request(row: Mapping[str, Any]) -> ArtworkRequest:
    """A request from a mapping as JSON or a data frame gives it, with lists or arrays.

    Raises:
        RequestError: A field is unknown, missing, of the wrong type or out of its range.
    """
    return _parse(ArtworkRequest, row)


def parse_options(params: Mapping[str, Any]) -> DrawingOptions:
    """Options from a mapping; those missing take their defaults.

    Raises:
        RequestError: A field is unknown, of the wrong type or out of its range.
    """
    return _parse(DrawingOptions, params)


def canonical(request: ArtworkRequest) -> ArtworkRequest:
    """The one spelling of all requests that make the same picture.

    References that are the same text are one, with their weights added; their order is alphabetical; weights
    sum to 1 and are rounded to 9 digits, so that scaling all of them changes nothing.
    """
    total = math.fsum(request.strengths)
    merged: dict[str, list[float]] = {}
    for reference, weight in zip(request.references, request.strengths, strict=True):
        merged.setdefault(reference, []).append(weight)
    shares = {reference: float(f"{math.fsum(merged[reference]) / total:.9g}") for reference in sorted(merged)}
    return replace(request, references=tuple(shares), weights=tuple(shares.values()))


def describe(request: ArtworkRequest, options: DrawingOptions) -> dict[str, Any]:
    """Everything that makes the picture, as plain values; how references were selected is no part of it."""
    selection = {"num_references", "profiling"}
    drawn_with = {name: value for name, value in asdict(options).items() if name not in selection}
    return {**asdict(canonical(request)), **drawn_with}


Parsed = TypeVar("Parsed", ArtworkRequest, DrawingOptions)


def _parse(kind: type[Parsed], values: Mapping[str, Any]) -> Parsed:
    known = kind.__dataclass_fields__
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise RequestError(f"{len(unknown)} unknown fields; the known ones are {', '.join(known)}")
    plain: dict[str, Any] = {name: _plain(value) for name, value in values.items()}
    try:
        return kind(**plain)
    except ValidationError as error:
        raise RequestError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """The first complaint, as one sentence without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}" if place else message


def _plain(value: object) -> object:
    """Arrays and lists become tuples, numpy's numbers Python's."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _at_most(field: str, amount: float, limit: float, unit: str) -> None:
    if amount > limit:
        raise RequestError(f"{field} has {amount} {unit}; at most {limit} are allowed")
