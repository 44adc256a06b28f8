"""Attention of language models: queries that share keys, sources of any length, windows and soft caps.

A source is a text's keys and values without padding. A causal query at place i sees a source's first i + 1
tokens; of a shorter source it sees all of them.

Legend: h heads of queries, k heads of keys, n queries, m keys of a source, d head size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fan_model.method.attention import KeysValues

QUERIES_PER_BLOCK = 64
"""On the CPU; other devices take all at once."""

Masks = dict[tuple[int, int, int, int | None], Tensor]
"""What is added to the scores of a block, by its first and last place, the source's length and the window."""


@dataclass(frozen=True)
class GroupedAttention:
    """softmax(Q K' * scaling) V of one layer, for queries at places 0, 1, 2, ... after the blind ones."""

    scaling: float
    """What scores are multiplied by."""
    is_causal: bool
    """Whether a query sees only what stands up to its own place."""
    window: int | None = None
    """How many tokens, its own among them, a causal query sees at most."""
    soft_cap: float | None = None
    """c, where scores are c tanh(scores / c)."""
    bias: Tensor | None = None
    """[h, n, at least m] what is added to scores by the places of query and key; then h is k."""
    num_blind: int = 0
    """Queries before the text begins (padding to the left), which see nothing: their sum is 0."""
    masks: Masks = field(default_factory=dict)
    """Masks made so far, which the layers of one pass share."""

    def weighted_sum(self, query: Tensor, sources: Sequence[KeysValues], shares: Sequence[float]) -> Tensor:
        """The sum of share_j softmax(Q K_j' * scaling) V_j, [h, n, d].

        Args:
            query: [h, n, d]
            sources: [k, m, d] keys and values each; they are read where they lie.
            shares: One per source.
        """
        seeing = query[:, self.num_blind :]
        rows = [self._block(seeing[:, block], block, sources, shares) for block in _blocks(seeing)]
        blind = query.new_zeros(len(query), self.num_blind, sources[0][1].shape[-1])
        return torch.cat([blind, *rows], dim=1)

    def _block(
        self, query: Tensor, block: slice, sources: Sequence[KeysValues], shares: Sequence[float]
    ) -> Tensor:
        num_heads, num_queries, _ = query.shape
        num_groups = len(sources[0][0])
        # The heads that share a key, one after another.
        grouped = query.reshape(num_groups, -1, query.shape[-1])
        total = torch.zeros_like(grouped[..., :1]).expand(-1, -1, sources[0][1].shape[-1]).contiguous()
        for (key, value), share in zip(sources, shares, strict=True):
            seen = self._seen(block, key.shape[1])
            if seen.stop > seen.start:
                scores = self._scores(grouped, key[:, seen], block, seen, key.shape[1])
                weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
                total.baddbmm_(weights, value[:, seen], alpha=share)
        return total.view(num_heads, num_queries, -1)

    def _scores(self, grouped: Tensor, key: Tensor, block: slice, seen: slice, num_keys: int) -> Tensor:
        scores = torch.bmm(grouped * self.scaling, key.mT)
        if self.soft_cap is not None:
            scores = scores.div_(self.soft_cap).tanh_().mul_(self.soft_cap)
        if self.bias is not None:
            scores += self.bias[:, block, seen]
        if self.is_causal and not self._is_all_seen(block, seen, num_keys):
            mask = self._mask(block, seen, num_keys, like=scores)
            scores.view(-1, *mask.shape).add_(mask)
        return scores

    def _seen(self, block: slice, num_keys: int) -> slice:
        """The keys that some query of the block sees."""
        if not self.is_causal:
            return slice(0, num_keys)
        first = 0 if self.window is None else max(0, block.start - self.window + 1)
        return slice(min(first, max(num_keys - 1, 0)), min(block.stop, num_keys))

    def _is_all_seen(self, block: slice, seen: slice, num_keys: int) -> bool:
        """Whether every query of the block sees all of these keys."""
        if seen.stop - seen.start == 1 and seen.stop == num_keys and block.start >= num_keys - 1:
            return True
        is_near = self.window is None or block.stop - 1 - seen.start < self.window
        return is_near and seen.stop <= block.start + 1

    def _mask(self, block: slice, seen: slice, num_keys: int, like: Tensor) -> Tensor:
        """[queries, keys] 0 where a query sees a key, else minus infinity."""
        asked = (block.start, block.stop, num_keys, self.window)
        if asked not in self.masks:
            places = torch.arange(block.start, block.stop, device=like.device)[:, None]
            keys = torch.arange(seen.start, seen.stop, device=like.device)
            sees = keys <= places
            if self.window is not None:
                sees &= places - keys < self.window
            # Far behind a short source, a query would see nothing of it: it sees the source's last token.
            sees |= (keys == num_keys - 1) & ~sees.any(dim=-1, keepdim=True)
            self.masks[asked] = torch.zeros_like(sees, dtype=like.dtype).masked_fill_(~sees, -torch.inf)
        return self.masks[asked]


def _blocks(query: Tensor) -> Iterator[slice]:
    num_queries = query.shape[1]
    step = QUERIES_PER_BLOCK if query.device.type == "cpu" else max(num_queries, 1)
    for start in range(0, num_queries, step):
        yield slice(start, min(start + step, num_queries))
