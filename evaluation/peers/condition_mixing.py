"""Sums of conditions, for the families whose conditions all have one shape.

Legend: b conditions, s of them in a sum, n tokens, w width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from evaluation.peers.shared_image_model import SharedImageModel
from fan_model.encoders.conditions import POOLED, PROMPT_EMBEDS, Condition

NO_COMMON_SHAPE = "this model's conditions keep their texts' lengths, or have masks: they cannot be added"


def refuse_unequal(image_model: SharedImageModel) -> str | None:
    """Say why a model's conditions cannot be added; None if they can."""
    condition = image_model.encode(["a", "a longer text"])
    known = set(condition.arguments) <= {PROMPT_EMBEDS, POOLED}
    return None if known and isinstance(condition.prompt_embeds, Tensor) else NO_COMMON_SHAPE


def weigh(condition: Condition, shares: Sequence[float]) -> Condition:
    """The one condition that is the sum of s, each times its share; pooled states likewise.

    Args:
        condition: Of s texts.
        shares: [s], of any sign.
    """
    return Condition.of_states(
        _sum(condition.prompt_embeds, shares),
        None if condition.pooled_prompt_embeds is None else _sum(condition.pooled_prompt_embeds, shares),
    )


def add(condition: Condition, others: Condition, shares: Sequence[float]) -> Condition:
    """One condition with s others added to its states, each times its share; its pooled state stays.

    Args:
        condition: Of one text.
        others: Of s texts.
        shares: [s], of any sign.
    """
    moved = condition.prompt_embeds + _sum(others.prompt_embeds, shares)
    return Condition.of_states(moved, condition.pooled_prompt_embeds)


def join(conditions: Sequence[Condition]) -> Condition:
    """One condition of all, in order."""
    pooled = [one.pooled_prompt_embeds for one in conditions]
    return Condition.of_states(
        torch.cat([one.prompt_embeds for one in conditions]),
        None if pooled[0] is None else torch.cat([one for one in pooled if one is not None]),
    )


def _sum(states: Tensor, shares: Sequence[float]) -> Tensor:
    """[1, ...] of [s, ...]."""
    return torch.tensordot(states.new_tensor(list(shares)), states, dims=1)[None]
