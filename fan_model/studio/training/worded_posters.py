"""Captions of many posters, worded in some ways each, as tokens: made on all cores before a course begins.

Wording a caption takes longer than a GPU takes to learn from it.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from fan_model.studio.posters.captions import Wording, write_caption, write_names
from fan_model.studio.training.poster_attributes import attribute_labels
from fan_model.studio.training.poster_set import PosterSet, spec_of
from fan_model.studio.training.tokens import tokenize

NUM_WORDINGS = 8
"""Of each poster."""
NUM_NAMINGS = 250
POSTERS_PER_TASK = 250


@dataclass(frozen=True)
class WordedPosters:
    """What posters show, in words."""

    tokens: Tensor
    """[num_posters, 8, 48] in int16"""
    labels: Tensor
    """[num_posters, 50] shares of the classes of five attributes"""
    genres: Tensor
    """[num_posters, 18] which genres are there"""

    def to(self, device: torch.device) -> "WordedPosters":
        """Return the same on a device."""
        return WordedPosters(self.tokens.to(device), self.labels.to(device), self.genres.to(device))

    def captions(self, indices: Tensor) -> Tensor:
        """Return one caption of each poster, by lot: token ids [N, 48]."""
        choice = torch.randint(self.tokens.shape[1], indices.shape, device=indices.device)
        return self.tokens[indices, choice].long()


def word_posters(
    posters: PosterSet, tokenizer: CLIPTokenizer, wording: Wording, course: str
) -> WordedPosters:
    """Word the captions of all posters for a course, on all cores."""
    numbers = [
        range(first, min(first + POSTERS_PER_TASK, posters.num_posters))
        for first in range(0, posters.num_posters, POSTERS_PER_TASK)
    ]
    word = partial(_word, posters.seed, tokenizer, wording, course)
    # A child must not use the threads that its parent's OpenMP had: it would wait for them forever.
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        parts = zip(*pool.map(word, numbers), strict=True)
        tokens, labels, genres = (torch.from_numpy(np.concatenate(part)) for part in parts)
    return WordedPosters(tokens, labels, genres)


def word_names(tokenizer: CLIPTokenizer, seed: int) -> Tensor:
    """Return texts that name one genre, palette or style each, in 250 wordings: token ids [250, 34, 48]."""
    random = Random(f"{seed}/names")
    return torch.stack([tokenize(tokenizer, write_names(random)) for _ in range(NUM_NAMINGS)])


def _word(
    seed: int, tokenizer: CLIPTokenizer, wording: Wording, course: str, numbers: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """Return tokens, labels and genres of some posters; arrays, since a process hands them on whole."""
    specs = [spec_of(seed, number) for number in numbers]
    chances = [Random(f"{seed}/{course}/{number}") for number in numbers]
    texts = [
        write_caption(spec, chance, wording)
        for spec, chance in zip(specs, chances, strict=True)
        for _ in range(NUM_WORDINGS)
    ]
    tokens = tokenize(tokenizer, texts).view(len(specs), NUM_WORDINGS, -1).short()
    return tokens.numpy(), *(labels.numpy() for labels in attribute_labels(specs))
