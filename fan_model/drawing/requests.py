"""What may be asked of the artist: the types, and the one spelling of all requests for the same picture.

Types and ranges that hold everywhere are checked when a request or its options are made; what a deployment or
a pipeline allows is checked against `limits.RequestLimits`.
"""

import math
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

MAX_SEED = 2**63 - 1
MAX_NUM_REFERENCES = 1_000_000
MAX_LAYERS = 100
"""Far more than any text encoder has."""


class RequestError(ValueError):
    """A request that cannot be served; the message is one sentence, safe to show to whoever sent it."""

    http_status = 400


def check_unicode(text: str) -> str:
    """Return a text that can be written as UTF-8; half a surrogate pair, which JSON lets pass, cannot.

    Raises:
        ValueError: It cannot be written.
    """
    text.encode()
    return text


def check_visible(text: str) -> str:
    """Return a text with something to read in it, not only spaces, controls or marks of no width.

    Raises:
        ValueError: There is nothing to read.
    """
    if not any(character.isprintable() and character != " " for character in text):
        raise ValueError("there is nothing to read")
    return text


Words = Annotated[str, AfterValidator(check_unicode)]
Text = Annotated[Words, AfterValidator(check_visible)]
Weight = Annotated[float, Field(gt=0)]
Layer = Annotated[int, Field(ge=0, lt=MAX_LAYERS)]
Pixels = Annotated[int, Field(ge=1)]

STRICT = ConfigDict(
    strict=True,
    extra="forbid",
    allow_inf_nan=False,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,  # The service's description shows them to callers.
)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ArtworkRequest:
    """One picture wanted: what it shows, and whose taste it takes on."""

    prompt: Text
    """The target's text."""
    references: tuple[Text, ...] = ()
    """Texts that speak for the user."""
    weights: tuple[Weight, ...] | None = None
    """Preference strength of each reference, above 0; all equal if not given. Only proportions matter."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Seed of the picture's noise."""

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


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DrawingOptions:
    """How pictures are drawn; the same for all pictures of a call."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Degree of personalization: 0 shows the target only, 1 the references only."""
    num_references: Annotated[int, Field(ge=1, le=MAX_NUM_REFERENCES)] | None = 10
    """References kept by tailored profiling; None keeps all that are given."""
    num_inference_steps: Annotated[int, Field(ge=1)] = 20
    """Denoising steps; more are slower and finer."""
    guidance_scale: Annotated[float, Field(ge=0)] = 3.5
    """How strongly the picture follows its condition."""
    height: Pixels | None = None
    """Pixels; the pipeline's own size if not given."""
    width: Pixels | None = None
    """Pixels; the pipeline's own size if not given."""
    negative_prompt: Words = ""
    """What guidance leads away from."""
    image_format: Literal["png", "webp"] = "png"
    """File format of the picture; both lossless."""
    skip_layers: Annotated[tuple[Layer, ...], Field(max_length=MAX_LAYERS)] = (0,)
    """Encoder layers without personalized attention; () is the paper's ablation "without skip"."""
    target_query: bool = True
    """False: start from the empty text, the paper's ablation "without target query"."""
    profiling: bool = True
    """False: use every reference, the paper's ablation "without profiling"."""


SHARE_TOLERANCE = 1e-6
"""Far above what rounding shares to 9 digits adds up to, far below what anybody can see."""


def canonical(request: ArtworkRequest) -> ArtworkRequest:
    """The one spelling of all requests that make the same picture.

    References that are the same text are one, with their weights added; their order is alphabetical; weights
    sum to 1 and are rounded to 9 digits, so that scaling all of them changes nothing. Weights that sum to 1
    but for such rounding are shares already and stay as they are, so that the canonical spelling is its own.
    """
    total = math.fsum(request.strengths)
    if abs(total - 1) < SHARE_TOLERANCE:
        total = 1.0
    merged: dict[str, list[float]] = {}
    for reference, weight in zip(request.references, request.strengths, strict=True):
        merged.setdefault(reference, []).append(weight)
    shares = {reference: float(f"{math.fsum(merged[reference]) / total:.9g}") for reference in sorted(merged)}
    return replace(request, references=tuple(shares), weights=tuple(shares.values()))


def describe(request: ArtworkRequest, options: DrawingOptions) -> dict[str, Any]:
    """Everything that makes the picture, as plain values; how references were selected is no part of it.

    Without references there is nothing to personalize, and a plain picture is the same at every alpha.
    """
    unseen = {"num_references", "profiling"}
    if not request.references and options.target_query:
        unseen |= {"alpha", "skip_layers"}
    drawn_with = {name: value for name, value in asdict(options).items() if name not in unseen}
    return {**asdict(canonical(request)), **drawn_with}
