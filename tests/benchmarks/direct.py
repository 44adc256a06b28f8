"""The paper's direct way, as a competent person would write it: 2 + R sequences per target.

Personalized query, target and references run through the encoder side by side as one batch; in each layer
with personalized attention the first row attends the keys and values of all others.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

NAME = "paper_direct"


class Direct:
    """What the attention needs to know of one call: the layer it is in, alpha and the normalised weights."""

    def __init__(self, alpha, weights, skip_layers):
        self.alpha, self.skip_layers, self.layer = alpha, skip_layers, -1
        self.shares = torch.cat([torch.tensor([1 - alpha]), alpha * weights / weights.sum()]).view(
            -1, 1, 1, 1
        )


def direct_attention(module, query, key, value, attention_mask, direct=None, scaling=None, **kwargs):
    plain, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    direct.layer += 1
    if direct.layer not in direct.skip_layers:
        queries = query[:1].expand(len(query) - 1, -1, -1, -1)
        bias = kwargs.get("position_bias")
        attended = F.scaled_dot_product_attention(
            queries, key[1:], value[1:], bias, is_causal=kwargs.get("is_causal", False), scale=scaling
        )
        plain[0] = (direct.shares * attended).sum(dim=0).transpose(0, 1)
    return plain, None


AttentionInterface.register(NAME, direct_attention)
AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


@torch.no_grad()
def personalize_directly(stack, target_ids, reference_ids, weights, *, alpha, skip_layers=(0,)):
    """Last hidden states [b, n, w] (after the final norm) of b targets, one after another.

    `stack` has the attention `NAME`; `target_ids` is [b, n], `reference_ids` [b, r, n], `weights` [b, r].
    """
    return torch.cat(
        [
            stack(
                input_ids=torch.cat([target[None], target[None], references]),
                direct=Direct(alpha, of_target, skip_layers),
            ).last_hidden_state[:1]
            for target, references, of_target in zip(target_ids, reference_ids, weights, strict=True)
        ]
    )
