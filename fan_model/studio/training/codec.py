"""The codec: what a picture is to the painter, and back.

A latent is linear: the first 16 principal components of a cell of 8 by 8 pixels, so latents cost one matrix
product and the painter need not wait. Their scale is half whitened: divided by the square root of their
deviation, so coarse components stay larger than fine ones and are drawn first. Only the decoder has to learn;
the encoder is taught to give the same latents.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import Tensor

from fan_model.studio.posters.styles import CELL_PIXELS
from fan_model.studio.training.contrast import to_pixel_values
from fan_model.studio.training.course import Batch, Course, Report, half_precision, train
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import LATENT_CELLS, LATENT_CHANNELS, Recipe

POSTERS_TO_FIT = 2000
CELLS_FILE = "cells.safetensors"
CROP_CELLS = 8
SCALING_FACTOR = 3.0
"""The painter's latents over the codec's: AutoencoderTiny's decoder bends what is beyond 3."""
LATENT_NOISE = 0.06
"""Deviation of the noise that the decoder learns to bear: the painter's latents are not exact."""


@dataclass(frozen=True)
class LinearCells:
    """The linear map between cells and latents."""

    mean: Tensor
    """[192]"""
    components: Tensor
    """[16, 192], each scaled."""

    def encode(self, pixel_values: Tensor) -> Tensor:
        """Turn [N, 3, H, W] in -1..1 into latents, [N, 16, H / 8, W / 8]."""
        cells = F.pixel_unshuffle(pixel_values, CELL_PIXELS)
        kernel = self.components[:, :, None, None]
        return F.conv2d(cells - self.mean[None, :, None, None], kernel)


def fit_cells(posters: PosterSet, file: Path) -> LinearCells:
    """Find the principal components of the posters' cells, or read them if they were found before."""
    if not file.exists():
        chosen = np.linspace(0, posters.num_posters - 1, min(POSTERS_TO_FIT, posters.num_posters)).astype(
            np.int64
        )
        pixel_values = to_pixel_values(torch.from_numpy(posters.images(chosen)))
        cells = F.pixel_unshuffle(pixel_values, CELL_PIXELS).permute(0, 2, 3, 1).flatten(0, 2)
        variances, vectors = torch.linalg.eigh(torch.cov(cells.T))
        deviation = variances[-LATENT_CHANNELS:].flip(0).sqrt()
        rows = vectors[:, -LATENT_CHANNELS:].flip(1).T / deviation.sqrt()[:, None]
        scale = deviation.mean().sqrt()  # the mean variance of the latents becomes 1
        keep_cells(LinearCells(cells.mean(0), (rows / scale).contiguous()), file)
    return LinearCells(**load_file(file))


def keep_cells(cells: LinearCells, file: Path) -> None:
    """Write the map into a file: whoever trains the painter further needs it."""
    _save(asdict(cells), file)


def encode_posters(cells: LinearCells, posters: PosterSet, file: Path) -> Tensor:
    """Return the latents of all posters, [num_posters, 16, 16, 16] in float16; kept in a file."""
    if not file.exists():
        numbers = np.arange(posters.num_posters)
        chunks = np.array_split(numbers, max(1, len(numbers) // 500))
        parts = [
            cells.encode(to_pixel_values(torch.from_numpy(posters.images(chunk)))).half() for chunk in chunks
        ]
        _save({"latents": torch.cat(parts).contiguous()}, file)
    return load_file(file)["latents"]


def train_codec(
    recipe: Recipe,
    seed: int,
    cells: LinearCells,
    posters: PosterSet,
    device: torch.device,
    folder: Path,
    report: Report,
    start: AutoencoderTiny | None = None,
) -> AutoencoderTiny:
    """Train the decoder, from `start` or from nothing, to draw cells from their latents.

    The encoder learns to give those latents.
    """
    torch.manual_seed(seed)
    codec = (start or _make_codec()).to(device, memory_format=torch.channels_last)
    on_device = LinearCells(cells.mean.to(device), cells.components.to(device))

    laplace = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]], device=device)

    def deal(_: int) -> Batch:
        pixels = _deal_pixels(posters, recipe.codec_batch, device)
        latents = on_device.encode(pixels)
        return pixels, latents, latents + LATENT_NOISE * torch.randn_like(latents)

    def loss(pixels: Tensor, latents: Tensor, noisy: Tensor) -> Tensor:
        with half_precision(device):
            drawn = codec.decode(noisy / SCALING_FACTOR).sample
            encoded = codec.encode(pixels).latents * SCALING_FACTOR
        return _drawing_loss(drawn.float(), pixels, laplace) + F.mse_loss(encoded.float(), latents)

    course = Course(
        "codec", seed, recipe.codec_steps, recipe.codec_learning_rate, 1e-4, beta2=0.99, ema_decay=0.996
    )
    train(course, codec, lambda: deal, loss, folder, report)
    return codec


def _make_codec() -> AutoencoderTiny:
    return AutoencoderTiny(
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(64,) * 4,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(2, 2, 1, 1),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=SCALING_FACTOR,
    )


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    """Write a file whole or not at all."""
    aside = file.with_suffix(".tmp")
    save_file(tensors, aside)
    os.replace(aside, file)


def _deal_pixels(posters: PosterSet, size: int, device: torch.device) -> Tensor:
    """Return crops of 8 by 8 cells as pixel values, [size, 3, 64, 64]."""
    images = posters.pictures(torch.randint(posters.num_posters, (size,), device=device))
    side = CROP_CELLS * CELL_PIXELS
    corners = torch.randint(LATENT_CELLS - CROP_CELLS + 1, (2, size, 1), device=device) * CELL_PIXELS
    rows, columns = corners + torch.arange(side, device=device)
    crops = images[torch.arange(size, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return to_pixel_values(crops).contiguous(memory_format=torch.channels_last)


def _drawing_loss(drawn: Tensor, wanted: Tensor, laplace: Tensor) -> Tensor:
    """Return how far a drawing is off: in pixels, in edges, and in means of blocks (for true colours)."""
    kernel = laplace.expand(3, 1, 3, 3)
    edges = F.l1_loss(F.conv2d(drawn, kernel, groups=3), F.conv2d(wanted, kernel, groups=3))
    blocks = sum(F.l1_loss(F.avg_pool2d(drawn, side), F.avg_pool2d(wanted, side)) for side in (4, 8))
    return F.l1_loss(drawn, wanted) + 0.5 * F.mse_loss(drawn, wanted) + 0.15 * edges + 0.5 * blocks
