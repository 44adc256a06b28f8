"""Personalized attention, the heart of the method (the paper's section 3.2), and recording for it.

Legend: h heads, n tokens, d head size, r references. Q is the personalized query's, K_T and V_T the target's,
K_Ri and V_Ri the i-th reference's, all of one layer.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one text in one layer, [h, n, d] each."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""softmax(Q K' / sqrt(d)) V as the encoder itself computes it: its scaling, causality and position bias."""

RECORDING = "fan_recording"
"""Name of the attention that hands out keys and values, in transformers' registries."""


def personalized_attention(
    query: Tensor,
    target: KeysValues,
    references: Sequence[KeysValues],
    weights: Sequence[float],
    alpha: float,
    attend: Attend,
) -> Tensor:
    """H = (1 - alpha) softmax(Q K_T' / sqrt(d)) V_T  +  alpha sum_i w_i softmax(Q K_Ri' / sqrt(d)) V_Ri.

    Args:
        query: [h, n, d] Q of the personalized query.
        target: K_T and V_T.
        references: K_Ri and V_Ri of the r references.
        weights: [r] w_i, preference strengths that sum to 1.
        alpha: Degree of personalization, 0 (target only) to 1 (references only).
        attend: The encoder's own attention.

    Returns:
        [h, n, d] what the layer goes on with in place of its self-attention.
    """
    if not references:
        return attend(query, *target)
    return (1 - alpha) * attend(query, *target) + alpha * sum(
        weight * attend(query, *reference) for weight, reference in zip(weights, references, strict=True)
    )


def recording_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    recorder: list[KeysValues] | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Plain attention that also appends the layer's keys and values [b, h, n, d] to the caller's `recorder`.

    The recorder is an argument of the model's call, so that calls in several threads cannot meet.
    """
    if recorder is not None:
        recorder.append((key, value))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(RECORDING, recording_attention)
# Without an entry of the same name among the masks, T5 would silently lose its mask.
AttentionMaskInterface.register(RECORDING, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
