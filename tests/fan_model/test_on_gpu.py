"""On a real GPU: every family in the ways that only a card has. Elsewhere nothing of it can be tried.

make test-gpu
"""

import io
from contextlib import contextmanager

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.limits import RequestLimits
from fan_model.drawing.renderer import DeviceFullError
from fan_model.loading.execution import Execution
from fan_model.loading.step_caches import CACHED
from tests.fan_model import pipelines
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]

FAMILIES = pipelines.FAMILIES | LANGUAGE_FAMILIES
OPTIONS = DrawingOptions(
    alpha=0.5, num_inference_steps=2, guidance_scale=3.0, num_references=None, height=32, width=32
)
LARGE = RequestLimits(max_enlargement=64)
REQUESTS = [
    ArtworkRequest(prompt="western film poster", references=("pastel watercolor", "neon"), seed=seed)
    for seed in range(4)
]


def load(folder, limits=None, **execution):
    return Artist.load(folder, execution=Execution(**execution), limits=limits)


def draw(artist, requests=REQUESTS, options=OPTIONS):
    return [each.image for each in artist.draw(requests, options)]


def distance(one, other):
    """The largest of the pictures' mean distances, in levels of 255."""
    pairs = zip(map(pixels, one), map(pixels, other), strict=True)
    return max(float(np.abs(a - b).mean()) for a, b in pairs)


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(image)), float)


@pytest.fixture(params=FAMILIES)
def folder(request, tmp_path):
    FAMILIES[request.param]().save_pretrained(tmp_path)
    return tmp_path


def test_in_single_precision_a_card_draws_what_a_cpu_draws(folder):
    on_card = draw(load(folder, device="cuda", dtype="float32"))
    assert distance(on_card, draw(load(folder))) < 2


def test_in_the_number_types_of_auto_no_picture_is_broken(folder):
    artist = load(folder, device="cuda")
    types = {
        part.dtype for part in artist.personalizer.pipeline.components.values() if hasattr(part, "dtype")
    }
    assert types & {torch.float16, torch.bfloat16}
    assert all(len(np.unique(pixels(image))) > 2 for image in draw(artist))


def test_a_picture_drawn_again_has_the_same_bytes(folder):
    artist = load(folder, device="cuda")
    assert draw(artist) == draw(artist)


@pytest.mark.parametrize("offload", ["model", "group"])
def test_where_weights_are_kept_changes_no_byte(folder, offload):
    assert draw(load(folder, device="cuda", offload=offload)) == draw(load(folder, device="cuda"))


def test_alone_or_beside_others_a_picture_is_the_same_to_the_eye(folder):
    artist = load(folder, device="cuda", dtype="float32")
    assert distance(draw(artist)[:1], draw(artist, REQUESTS[:1])) < 2


@pytest.mark.parametrize(
    "kernel", ["native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math"]
)
def test_every_kernel_of_torch_draws_the_same_to_the_eye(tmp_path, kernel):
    pipelines.flux().save_pretrained(tmp_path)
    assert (
        distance(draw(load(tmp_path, device="cuda", attention=kernel)), draw(load(tmp_path, device="cuda")))
        < 2
    )


@pytest.mark.parametrize("make", [pipelines.stable_diffusion, pipelines.flux])
def test_compiled_it_draws_the_same_to_the_eye_and_the_same_bytes_again(tmp_path, make):
    make().save_pretrained(tmp_path)
    compiled = load(tmp_path, device="cuda", compile=True)
    pictures = draw(compiled)
    assert pictures == draw(compiled)
    assert distance(pictures, draw(load(tmp_path, device="cuda"))) < 2


@pytest.mark.parametrize("cache", CACHED)
def test_a_step_cache_draws_pictures_that_do_not_depend_on_those_before(tmp_path, cache):
    pipelines.flux().save_pretrained(tmp_path)
    artist = load(tmp_path, device="cuda", step_cache=cache)
    options = DrawingOptions(num_inference_steps=8, guidance_scale=3.0, height=32, width=32)
    assert draw(artist, options=options) == draw(artist, options=options)


def test_where_memory_runs_out_the_batch_is_halved_and_every_picture_drawn(tmp_path):
    pipelines.stable_diffusion().save_pretrained(tmp_path)
    artist = load(tmp_path, LARGE, device="cuda", dtype="float32")
    options = DrawingOptions(num_inference_steps=2, height=512, width=512)
    requests = [ArtworkRequest(prompt="western film poster", seed=seed) for seed in range(16)]
    alone = memory_of(lambda: draw(artist, requests[:1], options))
    with at_most(5 * alone):
        drawn = artist.draw(requests, options)
    assert all(each.image for each in drawn)
    assert 1 <= artist.batch_size < 16


def memory_of(work):
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


@contextmanager
def at_most(num_bytes):
    """A card of so little memory."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(num_bytes / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_picture_that_does_not_fit_alone_says_what_to_set(tmp_path):
    pipelines.stable_diffusion().save_pretrained(tmp_path)
    artist = load(tmp_path, LARGE, device="cuda", dtype="float32")
    options = DrawingOptions(num_inference_steps=2, height=512, width=512)
    alone = memory_of(lambda: draw(artist, REQUESTS[:1], options))
    remedy = "does not fit into the device's memory: set model.offload, model.vae_tiling"
    with at_most(alone // 2), pytest.raises(DeviceFullError, match=remedy):
        artist.draw(REQUESTS[:1], options)


def test_an_autoencoder_that_overflows_is_single_precision_beside_halves(tmp_path):
    pipeline = pipelines.stable_diffusion_xl()
    pipeline.vae = diffusers.AutoencoderKL.from_config({**pipeline.vae.config, "force_upcast": True})
    pipeline.save_pretrained(tmp_path)
    loaded = load(tmp_path, device="cuda").personalizer.pipeline
    assert (loaded.vae.dtype, loaded.unet.dtype) == (torch.float32, torch.float16)
