"""Personalized attention, the heart of the method (the paper's section 3.2), and recording for it.

Legend: h heads, n tokens, d head size, r references. Q is the personalized query's, K_T and V_T the target's,
K_Ri and V_Ri the i-th reference's, all of one layer.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one text in one layer, [h, n, d] each."""

BLOCK_SIZE = 48
"""Queries per block on the CPU, measured at CLIP-L size; other devices take all at once."""

RECORDING = "fan_recording"
"""Name of the attention that hands out keys and values, in transformers' registries."""
RECORDER: ContextVar[list[KeysValues] | None] = ContextVar("recorder", default=None)
"""Where it puts them for models that hand no arguments on to their attention."""


class SharedSum(Protocol):
    """softmax(Q K' / sqrt(d)) V as some encoder computes it, over several sources."""

    def weighted_sum(self, query: Tensor, sources: Sequence[KeysValues], shares: Sequence[float]) -> Tensor:
        """The sum of share_i softmax(Q K_i' / sqrt(d)) V_i, [h, n, d]."""


@dataclass(frozen=True)
class Attention:
    """softmax(Q K' / sqrt(d)) V as one encoder computes it, in blocks of queries.

    Blocks, because a causal query needs no later keys, and because small products stay in the cache.
    """

    scaling: float
    """1 / sqrt(d), or 1 where the encoder does not scale."""
    blocks: Sequence[tuple[slice, slice, Tensor]]
    """Queries, the keys that they may see, and what is added to their scores [h or 1, queries, keys]."""

    @classmethod
    def build(cls, num_tokens: int, *, scaling: float, bias: Tensor, is_causal: bool) -> "Attention":
        """Plan the blocks for [n, n] scores; `bias` [h or 1, n, n] is added to the scores."""
        step = BLOCK_SIZE if bias.device.type == "cpu" else num_tokens
        if is_causal:
            bias = bias + torch.full_like(bias, -torch.inf).triu(diagonal=1)
        starts = range(0, num_tokens, step)
        rows = [slice(start, min(start + step, num_tokens)) for start in starts]
        keys = [slice(0, block.stop if is_causal else num_tokens) for block in rows]
        return cls(scaling, [(row, key, bias[:, row, key]) for row, key in zip(rows, keys, strict=True)])

    def weighted_sum(self, query: Tensor, sources: Sequence[KeysValues], shares: Sequence[float]) -> Tensor:
        """The sum of share_i softmax(Q K_i' / sqrt(d)) V_i, [h, n, d]; sources are read where they lie."""
        return torch.cat([self._block(query, *block, sources, shares) for block in self.blocks], dim=1)

    def _block(
        self,
        query: Tensor,
        rows: slice,
        seen: slice,
        bias: Tensor,
        sources: Sequence[KeysValues],
        shares: Sequence[float],
    ) -> Tensor:
        queries = query[:, rows].contiguous()
        bias = bias.expand(len(query), -1, -1)
        total = torch.zeros_like(queries)
        for (key, value), share in zip(sources, shares, strict=True):
            scores = torch.baddbmm(bias, queries, key[:, seen].mT, alpha=self.scaling)
            total.baddbmm_(scores.softmax(dim=-1), value[:, seen], alpha=share)
        return total


def personalized_attention(
    query: Tensor,
    target: KeysValues,
    references: Sequence[KeysValues],
    weights: Sequence[float],
    alpha: float,
    attention: SharedSum,
) -> Tensor:
    """H = (1 - alpha) softmax(Q K_T' / sqrt(d)) V_T  +  alpha sum_i w_i softmax(Q K_Ri' / sqrt(d)) V_Ri.

    Without references, H is the target's own attention.

    Args:
        query: [h, n, d] Q of the personalized query.
        target: K_T and V_T.
        references: K_Ri and V_Ri of the r references.
        weights: [r] w_i, preference strengths that sum to 1.
        alpha: Degree of personalization, 0 (target only) to 1 (references only).
        attention: The encoder's own softmax(Q K' / sqrt(d)) V.

    Returns:
        [h, n, d] what the layer goes on with in place of its self-attention.
    """
    return attention.weighted_sum(query, [target, *references], personalized_shares(weights, alpha))


def contrasted_attention(
    query: Tensor,
    target: KeysValues,
    texts: Sequence[KeysValues],
    shares: Sequence[float],
    strength: float,
    attention: SharedSum,
) -> Tensor:
    """H = A(T) + s sum_k (w_k - v_k) A(X_k), with A(X) = softmax(Q K_X' / sqrt(d)) V_X: see `crowd_contrast`.

    Args:
        query: [h, n, d] Q of the personalized query.
        target: K_T and V_T.
        texts: Keys and values of the references' and the crowd's texts, each once.
        shares: w_k - v_k of each of them; they sum to 0.
        strength: s, how far to go; 0 is the target alone.
        attention: The encoder's own softmax(Q K' / sqrt(d)) V.

    Returns:
        [h, n, d] what the layer goes on with in place of its self-attention.
    """
    return attention.weighted_sum(query, [target, *texts], contrasted_shares(shares, strength))


def personalized_shares(weights: Sequence[float], alpha: float) -> list[float]:
    """What target and references count for: 1 - alpha and alpha w_i, or 1 of a target without references."""
    return [1 - alpha, *(alpha * weight for weight in weights)] if weights else [1.0]


def contrasted_shares(shares: Sequence[float], strength: float) -> list[float]:
    """What the target, and the texts of references and crowd, count for: 1 and s (w_k - v_k)."""
    return [1.0, *(strength * share for share in shares)]


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

    The recorder is an argument of the model's call, or of the context (`recording`), so that calls in several
    threads cannot meet.
    """
    recorder = RECORDER.get() if recorder is None else recorder
    if recorder is not None:
        recorder.append((key, value))
    options: dict[str, Any] = kwargs
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


@contextmanager
def recording(recorder: list[KeysValues]) -> Iterator[None]:
    """Let what a model's layers attend in a block be recorded, in the order of the layers."""
    token = RECORDER.set(recorder)
    try:
        yield
    finally:
        RECORDER.reset(token)


AttentionInterface.register(RECORDING, recording_attention)
# Without an entry of the same name among the masks, T5 would silently lose its mask.
AttentionMaskInterface.register(RECORDING, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
