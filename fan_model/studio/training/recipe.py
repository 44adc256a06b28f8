"""The sizes of a training: to try the way, from nothing on a CPU, and two that go on from weights."""

from dataclasses import dataclass

NUM_TOKENS = 48
"""Tokens of a caption, with start, end and padding; captions have 17 on average."""
VOCABULARY = 2048
PATCH_PIXELS = 8
"""Side of what the judge sees at once; the third genre's badge is small."""
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
    distil_steps: int
    """Last steps of the painter, which learn guidance by heart."""
    reader_batch: int = 128
    wording_batch: int = 128
    new_judge: bool = False
    """Start the judge from nothing, in the shape that it has today, also where other parts go on."""
    wording_posters: int = 24_000
    """How many posters are put into words for it; none is drawn."""
    judge_batch: int = 64
    codec_batch: int = 16
    painter_batch: int = 32
    clip_learning_rate: float = 1e-3
    wording_learning_rate: float = 8e-4
    codec_learning_rate: float = 1.5e-3
    painter_learning_rate: float = 8e-4
    polish_learning_rate: float = 6e-4
    distil_learning_rate: float = 4e-4
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
        distil_steps=10,
        reader_batch=32,
        wording_posters=600,
    ),
    "cpu": Recipe(
        num_posters=24_000,
        reader_steps=550,
        wording_steps=2000,
        judge_steps=1500,
        codec_steps=1400,
        painter_steps=6000,
        polish_steps=8400,
        distil_steps=800,
        judge_batch=32,
    ),
    "refine": Recipe(
        num_posters=24_000,
        reader_steps=0,
        wording_steps=0,
        judge_steps=2300,
        codec_steps=0,
        painter_steps=0,
        polish_steps=2800,
        distil_steps=550,
        judge_batch=64,
        clip_learning_rate=6e-4,
        polish_learning_rate=5e-4,
        ema_decay=0.997,
    ),
    "gpu": Recipe(
        num_posters=40_000,
        reader_steps=0,
        wording_steps=0,
        judge_steps=5670,
        codec_steps=0,
        painter_steps=0,
        polish_steps=6570,
        distil_steps=990,
        new_judge=True,
        judge_batch=384,
        painter_batch=256,
        clip_learning_rate=7e-4,
        polish_learning_rate=8e-4,
        ema_decay=0.999,
    ),
}
EXPECTED = {
    "small": "2 minutes on two cores",
    "cpu": "five hours of one core (estimated from its first steps)",
    "refine": "two hours of one core with bfloat16",
    "gpu": "ten minutes on one H200 with 16 cores (eight with judge and painter side by side)",
}
"""How long each takes."""
