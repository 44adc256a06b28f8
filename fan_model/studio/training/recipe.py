"""The sizes of a training: a small one to try the way, one for a CPU, one for a GPU."""

from dataclasses import dataclass

NUM_TOKENS = 48
"""Tokens of a caption, with start, end and padding; captions have 17 on average."""
VOCABULARY = 2048
LATENT_CHANNELS = 16
LATENT_CELLS = 16
"""Cells a side: a cell is 8 by 8 pixels."""


@dataclass(frozen=True)
class Recipe:
    """How much of everything; a step is one batch."""

    num_posters: int
    reader_steps: int
    """The pipeline's text encoder, trained with an image tower that is thrown away."""
    wording_steps: int
    """Further steps of the text encoder, on text alone, worded in every way."""
    judge_steps: int
    codec_steps: int
    painter_steps: int
    polish_steps: int
    """Further steps of the painter, on other wordings and with words hidden."""
    reader_batch: int = 128
    wording_batch: int = 128
    judge_batch: int = 64
    codec_batch: int = 16
    painter_batch: int = 32
    clip_learning_rate: float = 1e-3
    wording_learning_rate: float = 8e-4
    codec_learning_rate: float = 1.5e-3
    painter_learning_rate: float = 8e-4
    polish_learning_rate: float = 6e-4
    ema_decay: float = 0.9985
    """Of the painter's averaged weights, a step."""


RECIPES = {
    "small": Recipe(
        num_posters=600,
        reader_steps=30,
        wording_steps=20,
        judge_steps=30,
        codec_steps=40,
        painter_steps=40,
        polish_steps=20,
        reader_batch=32,
    ),
    "cpu": Recipe(
        num_posters=24_000,
        reader_steps=550,
        wording_steps=2000,
        judge_steps=4000,
        codec_steps=1400,
        painter_steps=6000,
        polish_steps=8400,
    ),
    "gpu": Recipe(
        num_posters=100_000,
        reader_steps=3000,
        wording_steps=20_000,
        judge_steps=6000,
        codec_steps=12_000,
        painter_steps=60_000,
        polish_steps=15_000,
        reader_batch=512,
        judge_batch=256,
        codec_batch=64,
        painter_batch=256,
        painter_learning_rate=1e-3,
        ema_decay=0.999,
    ),
}
EXPECTED = {
    "small": "2 minutes on two cores",
    "cpu": "three hours of one core, about two hours on two that do nothing else",
    "gpu": "about an hour on one data-centre GPU with 16 cores (estimated, not measured)",
}
"""How long each takes."""
