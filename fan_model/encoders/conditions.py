"""What an image model consumes in place of a prompt.

Legend: b batch, n tokens, w width, p width of a pooled state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fan_model.method.profiling import ReferenceVectors

PROMPT_EMBEDS, POOLED = "prompt_embeds", "pooled_prompt_embeds"


@dataclass(frozen=True)
class Condition:
    """The condition of b texts, by the names that the pipeline's call takes."""

    arguments: Mapping[str, Any]
    """`prompt_embeds` [b, n, w], or a list of b times [n, w] where texts keep their lengths; as the family
    takes them, a pooled state [b, p] and masks [b, n]."""
    tokens: Sequence[Tensor]
    """b times [n, w] what vectors are made of: `prompt_embeds` without the padding that a mask hides."""

    @classmethod
    def of_states(cls, prompt_embeds: Tensor, pooled: Tensor | None = None) -> "Condition":
        """A condition whose padding belongs to it."""
        arguments = {PROMPT_EMBEDS: prompt_embeds} | ({} if pooled is None else {POOLED: pooled})
        return cls(arguments, list(prompt_embeds))

    @property
    def prompt_embeds(self) -> Any:  # noqa: ANN401 - a tensor, or a list of them
        """[b, n, w], or b times [n, w]."""
        return self.arguments[PROMPT_EMBEDS]

    @property
    def pooled_prompt_embeds(self) -> Tensor | None:
        """[b, p], for the families that take one."""
        return self.arguments.get(POOLED)

    def zeros_like(self) -> "Condition":
        """The empty condition of pipelines that force zeros for an empty prompt."""
        return Condition.of_states(
            torch.zeros_like(self.prompt_embeds),
            None if self.pooled_prompt_embeds is None else torch.zeros_like(self.pooled_prompt_embeds),
        )

    def repeat(self, batch_size: int) -> "Condition":
        """This one condition for each picture of a batch."""
        arguments = {name: _repeat(value, batch_size) for name, value in self.arguments.items()}
        return Condition(arguments, list(self.tokens) * batch_size)

    def named(self, prefix: str) -> dict[str, Any]:
        """The arguments with a prefix to their names."""
        return {f"{prefix}{name}": value for name, value in self.arguments.items()}

    def vectors(self) -> ReferenceVectors:
        """The two vectors of each text."""
        each = [ReferenceVectors.of_tokens(tokens.float().cpu().numpy()[None]) for tokens in self.tokens]
        return ReferenceVectors.join(each)


def _repeat(value: Any, batch_size: int) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return value * batch_size
    return value.expand(batch_size, *value.shape[1:])


def in_type(value: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401 - a tensor, a list of them, or neither
    """States in the number type that the image model computes with; masks stay as they are."""
    if isinstance(value, list):
        return [in_type(one, dtype) for one in value]
    is_state = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(dtype) if is_state else value
