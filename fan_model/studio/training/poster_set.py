"""The training posters: seed and number decide what a poster shows; shards on disk spare redrawing."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fan_model.studio.posters.poster import PosterSpec, render, sample_spec
from fan_model.studio.posters.styles import POSTER_PIXELS

POSTERS_PER_SHARD = 500


@dataclass(frozen=True)
class PosterSet:
    """Posters in memory-mapped shards of 500."""

    folder: Path
    seed: int
    num_posters: int
    _shards: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False)
    _on_device: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)

    def draw(self) -> Iterator[int]:
        """Draw the shards that are not there yet on all cores; yields the number of posters as they come."""
        missing = [number for number in range(self.num_shards) if not self.shard_file(number).exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        yield self.num_posters - sum(map(self._size, missing))
        with ProcessPoolExecutor() as pool:
            yield from pool.map(
                partial(_draw_shard, self.folder, self.seed), missing, map(self._size, missing)
            )

    def spec(self, index: int) -> PosterSpec:
        """Return what poster `index` shows."""
        return spec_of(self.seed, index)

    def images(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return posters, [len(indices), 128, 128, 3]."""
        return np.stack(
            [self._shard(i // POSTERS_PER_SHARD)[i % POSTERS_PER_SHARD] for i in indices.tolist()]
        )

    def pictures(self, indices: Tensor) -> Tensor:
        """Return posters, uint8 [N, 128, 128, 3], where their numbers are; a GPU is given all of them."""
        if indices.device.type == "cpu":
            return torch.from_numpy(self.images(indices.numpy()))
        if indices.device not in self._on_device:
            shards = [torch.from_numpy(np.load(self.shard_file(i))) for i in range(self.num_shards)]
            self._on_device[indices.device] = torch.cat([shard.to(indices.device) for shard in shards])
        return self._on_device[indices.device][indices]

    @property
    def num_shards(self) -> int:
        """How many files hold the posters."""
        return -(-self.num_posters // POSTERS_PER_SHARD)

    def shard_file(self, number: int) -> Path:
        """Return where a shard lies."""
        return _shard_file(self.folder, number)

    def _size(self, number: int) -> int:
        return min(POSTERS_PER_SHARD, self.num_posters - number * POSTERS_PER_SHARD)

    def _shard(self, number: int) -> NDArray[np.uint8]:
        if number not in self._shards:
            self._shards[number] = np.load(self.shard_file(number), mmap_mode="r")
        return self._shards[number]


def spec_of(seed: int, index: int) -> PosterSpec:
    """Return what a poster of a seed shows, by its number."""
    return sample_spec(Random(f"{seed}/{index}"))


def _shard_file(folder: Path, number: int) -> Path:
    return folder / f"posters-{number:04d}.npy"


def _draw_shard(folder: Path, seed: int, number: int, size: int) -> int:
    """Draw a shard; return how many posters it has, fewer in the last one."""
    first = number * POSTERS_PER_SHARD
    posters = np.empty((size, POSTER_PIXELS, POSTER_PIXELS, 3), np.uint8)
    for i in range(size):
        posters[i] = np.asarray(render(spec_of(seed, first + i), seed * 1_000_003 + first + i))
    aside = folder / f".posters-{number:04d}.npy"
    np.save(aside, posters)
    os.replace(aside, _shard_file(folder, number))
    return size
