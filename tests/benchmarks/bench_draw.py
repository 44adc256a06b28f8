"""Drawing with the bundled pipeline: batches, against one prompt at a time."""

import io
import warnings
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.images import develop
from fan_model.loading.execution import Execution
from tests.benchmarks.registry import Measurement, alternate, benchmark, peak_mib

NUM_PICTURES, NUM_PLAIN, NUM_LARGE = 32, 8, 4
FOLDER = files("fan_model") / "bundled" / "pipeline"
SIDE, PRODUCTS = 1024, 20
"""Of a large picture, and of a matrix that is multiplied with itself, so many times."""


@benchmark("draw_batch", plain="one prompt at a time", ours="batches of 16, personalized")
def draw_batch() -> Measurement:
    """The plain way is the pipeline as it comes; ours personalizes, and encodes the files as well."""
    artist, requests = Artist.load(str(FOLDER)), _requests()
    before = peak_mib()
    together = artist.draw(requests, DrawingOptions())
    peak = peak_mib() - before
    alone = [artist.draw([request], DrawingOptions())[0] for request in requests[:4]]
    same = all(one.image == other.image for one, other in zip(alone, together, strict=False))
    plain, ours = alternate(_plain_way(), lambda: artist.draw(requests, DrawingOptions()))
    remark = f"drawn alone they have {'the same' if same else 'OTHER'} bytes"
    return _per_picture(plain, ours, peak, remark)


@benchmark("draw_bfloat16", plain="one prompt at a time, in float32", ours='batches of 16, in "bfloat16"')
def draw_bfloat16() -> Measurement:
    """Worth something on CPUs that multiply bfloat16 themselves (AMX)."""
    artist, requests = Artist.load(str(FOLDER), execution=Execution(dtype="bfloat16")), _requests()
    single, before = Artist.load(str(FOLDER)).draw(requests, DrawingOptions()), peak_mib()
    half = artist.draw(requests, DrawingOptions())
    peak = peak_mib() - before
    apart = [
        np.abs(_levels(one.image) - _levels(other.image)) for one, other in zip(single, half, strict=True)
    ]
    plain, ours = alternate(_plain_way(), lambda: artist.draw(requests, DrawingOptions()))
    return _per_picture(plain, ours, peak, f"{np.mean(apart):.2f} of 255 levels from float32's, on average")


@benchmark(
    "draw_flops", plain="its multiplications, at a matrix product's speed", ours="a picture in a batch"
)
def draw_flops() -> Measurement:
    """How near a picture is to what the processor can do in float32."""
    pipeline, matrix = _pipeline(), torch.rand(SIDE, SIDE)
    with FlopCounterMode(display=False) as counter:
        _draw_one(pipeline, 0)
    flops, artist = counter.get_total_flops(), Artist.load(str(FOLDER))
    product, ours = alternate(
        lambda: [matrix @ matrix for _ in range(PRODUCTS)], lambda: artist.draw(_requests(), DrawingOptions())
    )
    speed = PRODUCTS * 2 * SIDE**3 / product
    remark = f"{flops / 1e9:.1f} GFLOP a picture; {speed / 1e9:.0f} GFLOP/s"
    return Measurement(1e3 * flops / speed, 1e3 * ours / NUM_PICTURES, "ms per picture", peak_mib(), remark)


@benchmark("develop", plain="diffusers, which looks at nothing", ours="looked at, and a picture")
def develop_pixels() -> Measurement:
    """What an image model gave becomes pictures of 1024 x 1024, for which a GPU waits."""
    pixels = np.random.default_rng(0).random((NUM_LARGE, SIDE, SIDE, 3), np.float32)
    plain, ours = alternate(
        lambda: VaeImageProcessor.numpy_to_pil(pixels),
        lambda: [develop(each, (SIDE, SIDE)) for each in pixels],
    )
    return Measurement(1e3 * plain / NUM_LARGE, 1e3 * ours / NUM_LARGE, "ms per picture", peak_mib())


def _requests() -> list[ArtworkRequest]:
    return [
        ArtworkRequest(
            prompt=f"adventure film poster {i}", references=("romance, pastel", "film noir"), seed=i
        )
        for i in range(NUM_PICTURES)
    ]


def _pipeline() -> DiffusionPipeline:
    warnings.simplefilter("ignore")
    pipeline = DiffusionPipeline.from_pretrained(str(FOLDER), torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _draw_one(pipeline: DiffusionPipeline, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    prompt = f"adventure film poster {seed}"
    pipeline(prompt, num_inference_steps=8, guidance_scale=1, generator=generator)


def _plain_way() -> Callable[[], None]:
    pipeline = _pipeline()

    def draw() -> None:
        for seed in range(NUM_PLAIN):
            _draw_one(pipeline, seed)

    return draw


def _per_picture(plain: float, ours: float, peak: float, remark: str) -> Measurement:
    remark = f"{NUM_PICTURES / ours:.1f} pictures a second; {remark}"
    return Measurement(1e3 * plain / NUM_PLAIN, 1e3 * ours / NUM_PICTURES, "ms per picture", peak, remark)


def _levels(image: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(image)) as opened:
        return np.asarray(opened.convert("RGB"), np.float32)
