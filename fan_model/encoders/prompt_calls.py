"""How the families of language models read prompts: what a row of the table of families says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class PromptCall:
    """How a pipeline's own `encode_prompt` is asked, and how its call takes what that gives."""

    outputs: Sequence[str | None]
    """What it gives, in order, by the names that the pipeline's call takes; None for what the call makes."""
    from_call: Sequence[str] = ()
    """Arguments that the pipeline's call hands on to it, with the call's own defaults."""
    is_causal: bool = True
    """Whether a token of the text encoder sees only what stands before it."""
    keeps_padding: bool = True
    """Whether states at padding are among what it gives."""
    mask: str | None = None
    """A mask that it leaves out where nothing is masked, and that the call needs where texts differ."""
    takes_one_prompt: bool = False
    """Whether texts keep their lengths, and the call knows no mask: it then takes one prompt at a time."""
    takes_negatives: bool = True
    """Whether guidance leads away from a negative prompt."""
    encodes_negatives: bool = False
    """Whether negative prompts are read in a way of their own, without the template of prompts."""
    distilled: str | None = None
    """A setting of the pipeline with which guidance is part of the model, and leads away from nothing."""
    guidance: str = "guidance_scale"
    """The call's name for the strength of guidance."""
    no_guidance: float = 1.0
    """The strength at which its pictures are not guided."""
    call: Mapping[str, object] = field(default_factory=dict)
    """What else its call is told."""
    with_negatives: Mapping[str, object] = field(default_factory=dict)
    """What its call is told where it is given the condition of a negative prompt."""
    least_steps: int = 1
    """Denoising steps that its call needs at least."""
    own_side: int | None = None
    """Side in pixels of its own pictures, where no setting of the pipeline says it."""
    side_multiple: int = 1
    """Sides are multiples of this, besides those that autoencoder and patches ask for."""
