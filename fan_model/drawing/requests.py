"""What may be asked of the artist: the types, and the one spelling of all requests for the same picture.

A field's type, range, default, public name and meaning are defined with it, here or in the class that it is
inherited from, and nowhere else: settings, the registered model's params, a deployment's limits, refusals and
digests all read them from the fields (`fields.read_fields`). What a deployment or a pipeline allows beyond
that is narrower, and checked against `limits.RequestLimits`.
"""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from fan_model.drawing.texts import Text, Words
from fan_model.method.crowd_contrast import MAX_CROWD, NOBODY, Crowd
from fan_model.method.personalization import STRICT, Personalization
from fan_model.method.selection_policy import MAX_REFERENCES, SelectionPolicy

ImageFormat = Literal["png", "webp"]
MAX_SEED = 2**63 - 1

USUAL_STEPS, USUAL_GUIDANCE = 20, 3.5
"""What models that are not distilled are drawn with, where nobody says otherwise."""

LEAST_WEIGHT = 1e-9
"""Far below what single precision can show of a share."""
Weight = Annotated[float, Field(ge=LEAST_WEIGHT, le=1e9)]


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

    def describe_pictures(self) -> dict[str, Any]:
        """What of other pictures it is made of: nothing, where texts alone are given."""
        return {}

    @property
    def own_fields(self) -> dict[str, Any]:
        """What every request has, by name: a kind of request that has more is made from it."""
        return {one.name: getattr(self, one.name) for one in fields(ArtworkRequest)}


Side = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PictureOptions(Personalization):
    """How a picture is drawn from its request: each of these makes another picture."""

    num_inference_steps: Annotated[
        Annotated[int, Field(ge=1, le=200)] | None,
        Field(
            description="Denoising steps: more are slower and finer. The checkpoint's own if not given: "
            "1 to 8 of distilled models, 20 of others."
        ),
    ] = None
    guidance_scale: Annotated[
        # What is below 1 would be the same picture as at 1.
        Annotated[float, Field(ge=1, le=50)] | None,
        Field(
            description="How strictly the picture follows its condition; 1 is no guidance. The "
            "checkpoint's own if not given: none of distilled models, 3.5 of others."
        ),
    ] = None
    height: Annotated[Side | None, Field(description="Pixels; the pipeline's own size if not given.")] = None
    width: Annotated[Side | None, Field(description="Pixels; the pipeline's own size if not given.")] = None
    negative_prompt: Annotated[Words, Field(description="What guidance leads away from.")] = ""
    image_format: Annotated[
        ImageFormat,
        Field(serialization_alias="format", description="File format of the picture; both are lossless."),
    ] = "png"

    @property
    def steps(self) -> int:
        """Denoising steps; of options that no model has completed, the usual ones."""
        return self.num_inference_steps or USUAL_STEPS

    @property
    def guidance(self) -> float:
        """Strength of guidance; of options that no model has completed, the usual one."""
        return self.guidance_scale or USUAL_GUIDANCE


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DrawingOptions(PictureOptions):
    """All that can be said about drawing, the same for all pictures of a call.

    What is said here of references is which of them are used. It is no part of a picture's digest, which
    names the references themselves.
    """

    crowd: Annotated[
        tuple[Text, ...],
        Field(max_length=MAX_CROWD, description="Texts that stand for what everybody likes."),
    ] = ()
    crowd_weights: Annotated[
        tuple[Weight, ...],
        Field(
            max_length=MAX_CROWD,
            description="Weight of each text of the crowd; all equal if not given. Only proportions matter.",
        ),
    ] = ()
    num_references: Annotated[
        Annotated[int, Field(ge=1, le=MAX_REFERENCES)] | None,
        Field(description="References kept by tailored profiling; null keeps all that are given."),
    ] = SelectionPolicy.max_references
    profiling: Annotated[
        bool, Field(description='False: use every reference, the ablation "without profiling".')
    ] = True

    @model_validator(mode="after")
    def _one_weight_per_text(self) -> "DrawingOptions":
        if len(self.crowd_weights) not in (0, len(self.crowd)):
            raise ValueError(
                "crowd_weights must be none, or as many as the texts of the crowd: there are "
                f"{len(self.crowd_weights)} weights and {len(self.crowd)} texts"
            )
        return self

    @property
    def contrasted_crowd(self) -> Crowd:
        """The crowd in its one spelling, like that of references; empty where nothing is contrasted."""
        if not self.contrast:
            return NOBODY
        return Crowd(*merge_weighted(self.crowd, self.crowd_weights or (1.0,) * len(self.crowd)))

    def within(self, num_layers: int) -> "DrawingOptions":
        """The one spelling of layers, of encoders of so many; where all are skipped, nothing is personal."""
        layers = tuple(layer for layer in sorted(set(self.skip_layers)) if layer < num_layers)
        if layers and len(layers) == num_layers:
            return replace(self, skip_layers=(), alpha=0.0, contrast=0.0, target_query=True)
        return replace(self, skip_layers=layers)

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
    references, weights = merge_weighted(request.references, request.strengths)
    return replace(request, references=references, weights=weights)


def merge_weighted(
    texts: Sequence[str], weights: Sequence[float]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The one spelling of weighted texts, see `canonical`."""
    total = math.fsum(weights)
    if abs(total - 1) < SHARE_TOLERANCE:
        total = 1.0
    merged: dict[str, list[float]] = {}
    for text, weight in zip(texts, weights, strict=True):
        merged.setdefault(text, []).append(weight)
    shares = {text: float(f"{math.fsum(merged[text]) / total:.9g}") for text in sorted(merged)}
    seen = {text: share for text, share in shares.items() if share >= LEAST_WEIGHT}
    return tuple(seen), tuple(seen.values())


def describe(request: ArtworkRequest, options: DrawingOptions) -> dict[str, Any]:
    """Everything that makes the picture, as plain values; how references were selected is no part of it.

    Options must be completed by the model (`Artist.complete`), if it is not drawn with as usual.

    Without references, or at alpha 0, there is nothing to personalize, and plain pictures are the same;
    without guidance nothing leads away from the negative prompt. Contrasted with a crowd, alpha plays no
    part; without one, neither do the crowd and how far to go from it.
    """
    crowd = options.contrasted_crowd
    drawn_with = {field.name: getattr(options, field.name) for field in fields(PictureOptions)}
    drawn_with |= {"num_inference_steps": options.steps, "guidance_scale": options.guidance}
    drawn_with["skip_layers"] = sorted(set(options.skip_layers))
    drawn_with |= {"crowd": crowd.texts, "crowd_weights": crowd.weights}
    if not options.alpha and not (request.references and crowd):
        request = replace(request, references=(), weights=None)
    spelt = canonical(request)
    return {
        **spelt.own_fields,
        **spelt.describe_pictures(),
        **drawn_with,
        **dict.fromkeys(_unseen(request, options)),
    }


def _unseen(request: ArtworkRequest, options: DrawingOptions) -> set[str]:
    """Options that this picture does not show."""
    unseen = set()
    if not request.references:
        # The query that starts from the empty text still attends itself in a skipped layer.
        unseen |= {"alpha", "skip_layers", "keep_words"} if options.target_query else {"alpha"}
    if request.references and options.contrasted_crowd:
        unseen.add("alpha")
    else:
        unseen |= {"contrast", "crowd", "crowd_weights"}
    if options.guidance == 1:
        unseen.add("negative_prompt")
    return unseen
