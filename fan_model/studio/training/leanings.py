"""Between a caption and a taste: conditions that no caption has, and the posters that belong to them.

A fused taste lies between the condition of its target and the mean of its references'. A painter that knows
captions only jumps there from one to the other; here it learns what lies between (interpolated conditions
with interpolated pictures, as in mixup: Zhang et al. 2018, of hidden states Verma et al. 2019).
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from fan_model.studio.posters.captions import LOOSE, write_caption
from fan_model.studio.posters.poster_tastes import sample_liked
from fan_model.studio.training.course import Batch
from fan_model.studio.training.poster_set import PosterSet, taste_of
from fan_model.studio.training.tokens import tokenize

NUM_LIKED = 6
"""Captions of what somebody of a taste likes."""
FARTHEST = 0.6
"""How far from its caption a condition lies at most, 0..1."""
FIRST_SEEN, FULLY_SEEN = 0.04, 0.3
"""Shares of the way at which a poster begins to lean and leans as far as it can: at an alpha of 0.4 fused
references lie at 0.2 (if they have nothing in common) to 0.33 (if they all agree)."""
TASTES_PER_TASK = 250


@dataclass(frozen=True)
class Leanings:
    """The posters of a set, each leaning towards a taste of its own, and what somebody of it likes."""

    latents: Tensor
    """[num_posters, 16, 16, 16]"""
    liked: Tensor
    """[num_posters, 6, 48] token ids, int16"""

    def to(self, device: torch.device) -> "Leanings":
        """Return the same on a device."""
        return Leanings(self.latents.to(device), self.liked.to(device))

    def deal(self, batch: Batch, indices: Tensor) -> Batch:
        """Let the first of a batch lean, posters of these numbers: some way, towards some of what is liked.

        Returns:
            The batch, its latents dissolved, and token ids [m, 6, 48], weights [m, 6] and shares [m].
        """
        clean, *others = batch
        num, where = len(indices), indices.device
        shares, weights = choose_shares(num, where), choose_weights(num, where)
        leant = lean_latents(clean[:num], self.latents[indices].to(clean.dtype), shares)
        clean = torch.cat([leant, clean[num:]])
        return clean, *others, self.liked[indices].long(), weights, shares


def word_liked(posters: PosterSet, tokenizer: CLIPTokenizer) -> Tensor:
    """Word six captions of what somebody of each poster's taste likes, on all cores: int16 [N, 6, 48]."""
    numbers = [
        range(first, min(first + TASTES_PER_TASK, posters.num_posters))
        for first in range(0, posters.num_posters, TASTES_PER_TASK)
    ]
    # A child must not use the threads that its parent's OpenMP had: it would wait for them forever.
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        parts = list(pool.map(partial(_word, posters.seed, tokenizer), numbers))
    return torch.from_numpy(np.concatenate(parts))


def _word(seed: int, tokenizer: CLIPTokenizer, numbers: range) -> NDArray[np.int16]:
    texts = []
    for number in numbers:
        taste, chance = taste_of(seed, number), Random(f"{seed}/liked/{number}")
        texts += [write_caption(sample_liked(taste, chance), chance, LOOSE) for _ in range(NUM_LIKED)]
    words: NDArray[np.int16] = tokenize(tokenizer, texts).view(len(numbers), NUM_LIKED, -1).short().numpy()
    return words


def choose_shares(size: int, device: torch.device) -> Tensor:
    """Choose by lot how far of the way to a taste each condition lies, [size] in 0..0.6."""
    return FARTHEST * torch.rand(size, device=device)


def choose_weights(size: int, device: torch.device) -> Tensor:
    """Choose by lot how many of what is liked speaks, as equal weights [size, 6] that sum to 1."""
    counts = torch.randint(1, NUM_LIKED + 1, (size, 1), device=device)
    return (torch.arange(NUM_LIKED, device=device) < counts) / counts


def seen(shares: Tensor) -> Tensor:
    """Return how much of its leaning a poster shows, 0..1, by how far of the way its condition lies."""
    return ((shares - FIRST_SEEN) / (FULLY_SEEN - FIRST_SEEN)).clamp(0, 1)


def lean_latents(plain: Tensor, leaning: Tensor, shares: Tensor) -> Tensor:
    """Dissolve the latents [n, 16, 16, 16] of posters into those of the same that lean; both are linear."""
    return plain.lerp(leaning, seen(shares)[:, None, None, None])


def lean_states(states: Tensor, liked: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """Move the first token states towards the mean of what is liked; the others stay.

    Args:
        states: [N, n, d]
        liked: [m, 6, n, d] with m <= N.
        weights: [m, 6]
        shares: [m]
    """
    num, mean = len(shares), torch.einsum("mk,mknd->mnd", weights.to(liked.dtype), liked)
    moved = states[:num].lerp(mean.to(states.dtype), shares.to(states.dtype)[:, None, None])
    return torch.cat([moved, states[num:]])
