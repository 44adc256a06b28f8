"""What may be asked of the artist: the types, and the one spelling of all requests for the same picture.

A field's type, range, default, public name and meaning are defined with it, here or in the class that it is
inherited from, and nowhere else: settings, the registered model's params, a deployment's limits, refusals and
digests all read them from the fields (`fields.read_fields`). What a deployment or a pipeline allows beyond
that is narrower, and checked against `limits.RequestLimits`.
"""

import math
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from fan_model.drawing.texts import Text, Words
from fan_model.method.personalization import STRICT, Personalization
from fan_model.method.selection_policy import MAX_REFERENCES, SelectionPolicy

MAX_SEED = 2**63 - 1

LEAST_WEIGHT = 1e-9
"""Far below what single precision can show of a share."""
Weight = Annotated[float, Field(ge=LEAST_WEIGHT, le=1e9)]


class RequestError(ValueError):
    """A request that cannot be served; the message is one sentence, safe to show to whoever sent it."""

    http_status = 400


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ArtworkRequest:
    """One picture wanted: what it shows, and whose taste it takes on."""

    prompt: Annotated[Text, Field(description="The target's text.")]
    references: Annotated[
        tuple[Text, ...],
        Field(max_length=MAX_REFERENCES, description="Texts that speak for the user."),
    ] = ()
    weights: Annotated[
        Annotated[tuple[Weight, ...], Field(max_length=MAX_REFERENCES)] | None,
        Field(
            description="Preference strength of each reference; all equal if not given. "
            "Only proportions matter."
        ),
    ] = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, description="Seed of the picture's noise.")] = 0

    @model_validator(mode="after")
    def _one_weight_per_reference(self) -> "ArtworkRequest":
        if self.weights is not None and len(self.weights) != len(self.references):
            raise ValueError(
                "weights must be as many as the references: there are "
                f"{len(self.weights)} weights and {len(self.references)} references"
            )
        return self

    @property
    def strengths(self) -> tuple[float, ...]:
        """The weight of each reference, 1 where none are given."""
        return self.weights if self.weights is not None else (1.0,) * len(self.references)


Side = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PictureOptions(Personalization):
    """How a picture is drawn from its request: each of these makes another picture."""

    num_inference_steps: Annotated[
        int, Field(ge=1, le=200, description="Denoising steps: more are slower and finer.")
    ] = 20
    guidance_scale: Annotated[
        float,
        # What is below 1 would be the same picture as at 1.
        Field(ge=1, le=50, description="How strictly the picture follows its condition; 1 is no guidance."),
    ] = 3.5
    height: Annotated[Side | None, Field(description="Pixels; the pipeline's own size if not given.")] = None
    width: Annotated[Side | None, Field(description="Pixels; the pipeline's own size if not given.")] = None
    negative_prompt: Annotated[Words, Field(description="What guidance leads away from.")] = ""
    image_format: Annotated[
        Literal["png", "webp"],
        Field(serialization_alias="format", description="File format of the picture; both are lossless."),
    ] = "png"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DrawingOptions(PictureOptions):
    """All that can be said about drawing, the same for all pictures of a call.

    The fields of its own say which references are used. They are no part of a picture's digest, which names
    the references themselves.
    """

    num_references: Annotated[
        Annotated[int, Field(ge=1, le=MAX_REFERENCES)] | None,
        Field(description="References kept by tailored profiling; null keeps all that are given."),
    ] = SelectionPolicy.max_references
    profiling: Annotated[
        bool, Field(description='False: use every reference, the ablation "without profiling".')
    ] = True

    @property
    def selection(self) -> SelectionPolicy:
        """Which of the given references are used."""
        return SelectionPolicy(fraction=1.0, max_references=self.num_references if self.profiling else None)


SHARE_TOLERANCE = 1e-6
"""Far above what rounding shares to 9 digits adds up to, far below what anybody can see."""


def canonical(request: ArtworkRequest) -> ArtworkRequest:
    """The one spelling of all requests that make the same picture.

    References that are the same text are one, with their weights added; their order is alphabetical; weights
    sum to 1 and are rounded to 9 digits, so that scaling all of them changes nothing. Weights that sum to 1
    but for such rounding are shares already and stay as they are, so that the canonical spelling is its own.
    A reference whose share is below the least weight cannot be seen, and is left out.
    """
    total = math.fsum(request.strengths)
    if abs(total - 1) < SHARE_TOLERANCE:
        total = 1.0
    merged: dict[str, list[float]] = {}
    for reference, weight in zip(request.references, request.strengths, strict=True):
        merged.setdefault(reference, []).append(weight)
    shares = {reference: float(f"{math.fsum(merged[reference]) / total:.9g}") for reference in sorted(merged)}
    seen = {reference: share for reference, share in shares.items() if share >= LEAST_WEIGHT}
    return replace(request, references=tuple(seen), weights=tuple(seen.values()))


def describe(request: ArtworkRequest, options: PictureOptions) -> dict[str, Any]:
    """Everything that makes the picture, as plain values; how references were selected is no part of it.

    Without references there is nothing to personalize, and a plain picture is the same at every alpha;
    without guidance nothing leads away from the negative prompt.
    """
    drawn_with = {field.name: getattr(options, field.name) for field in fields(PictureOptions)}
    drawn_with["skip_layers"] = sorted(set(options.skip_layers))
    return {**asdict(canonical(request)), **drawn_with, **dict.fromkeys(_unseen(request, options))}


def _unseen(request: ArtworkRequest, options: PictureOptions) -> set[str]:
    """Options that this picture does not show."""
    unseen = set()
    if not request.references:
        # The query that starts from the empty text still attends itself in a skipped layer.
        unseen |= {"alpha", "skip_layers"} if options.target_query else {"alpha"}
    if options.guidance_scale == 1:
        unseen.add("negative_prompt")
    return unseen
