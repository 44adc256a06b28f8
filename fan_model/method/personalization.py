"""How strongly, and where, references act on a target: what the method itself can be told."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

MAX_LAYERS = 100
"""Far more than any text encoder has."""

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
"""Values are taken as they are or refused: a number in quotes is no number."""

Layer = Annotated[int, Field(ge=0, le=MAX_LAYERS - 1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Personalization:
    """How strongly, and where, references act.

    Fields carry their range, default and meaning: whoever reads or writes one of them asks here.
    """

    alpha: Annotated[
        float,
        Field(ge=0, le=1, description="Degree of personalization: 0 is the target, 1 the references only."),
    ] = 0.3
    contrast: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="How far a picture goes along what sets the user apart from the crowd, where there "
            "is a crowd; alpha then plays no part. 0 is the paper's method.",
        ),
    ] = 0.0
    skip_layers: Annotated[
        tuple[Layer, ...],
        Field(
            max_length=MAX_LAYERS,
            description="Layers of the text encoder without personalized attention; "
            'none is the ablation "without skip".',
        ),
    ] = (0,)
    keep_words: Annotated[
        bool,
        Field(
            description="Whether the prompt's own words stay as they are. What the encoder reads after them, "
            "the end of the text and its padding, then takes on the taste; a prompt that fills the encoder "
            "leaves little to do so. False is the paper's method, in which every token does. Not for "
            "pipelines that read with a language model."
        ),
    ] = False
    target_query: Annotated[
        bool,
        Field(
            description="Whether the personalized query starts as the target's tokens; if not, as the empty "
            'text\'s, the ablation "without target query".'
        ),
    ] = True
