"""Caches of diffusers: where there are any, pictures change a little, and none has to do with another."""

import pytest
import torch

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.loading.execution import Execution, ExecutionError
from fan_model.loading.step_caches import CACHED
from tests.fan_model.language_pipelines import flux2, flux2_klein, qwen_image
from tests.fan_model.pipelines import flux, stable_diffusion

pytestmark = pytest.mark.whole

OPTIONS = DrawingOptions(num_inference_steps=8, guidance_scale=3.0, height=32, width=32)
REQUESTS = [ArtworkRequest(prompt="western film poster", seed=seed) for seed in range(2)]


def qwen_of_two_blocks():
    pipeline = qwen_image()
    config = {**pipeline.transformer.config, "num_layers": 2, "_use_default_values": []}
    torch.manual_seed(0)
    pipeline.register_modules(transformer=type(pipeline.transformer).from_config(config).eval())
    return pipeline


CASES = [
    ("first_block", flux),
    ("first_block", qwen_of_two_blocks),
    ("taylorseer", flux),
    ("taylorseer", flux2_klein),
    ("taylorseer", qwen_of_two_blocks),
    ("faster", flux),
]


def draw(folder, cache, requests=REQUESTS):
    artist = Artist.load(folder, execution=Execution(step_cache=cache))
    return [each.image for each in artist.draw(requests, OPTIONS)], artist


@pytest.mark.parametrize(("cache", "make"), CASES)
def test_a_cache_draws_pictures_that_do_not_depend_on_those_before(tmp_path, cache, make):
    make().save_pretrained(tmp_path)
    cached, artist = draw(tmp_path, cache)
    assert cached == [each.image for each in artist.draw(REQUESTS, OPTIONS)]


def test_a_pipeline_that_tells_a_cache_nothing_of_its_rows_has_none(tmp_path):
    flux2().save_pretrained(tmp_path)
    with pytest.raises(ExecutionError, match="model.step_cache must be none: Flux2Pipeline takes no cache"):
        draw(tmp_path, "taylorseer")


def test_every_cache_is_tried_with_every_model_that_it_is_offered_to():
    tried = {(cache, type(make().transformer).__name__) for cache, make in CASES}
    assert tried == {(cache, name) for cache, names in CACHED.items() for name in names}


def test_a_cache_saves_work(tmp_path, monkeypatch):
    flux().save_pretrained(tmp_path)
    counts = {}
    for cache in ("none", "taylorseer"):
        artist = Artist.load(tmp_path, execution=Execution(step_cache=cache))
        block = artist.personalizer.pipeline.transformer.transformer_blocks[0].attn.to_q
        counts[cache] = 0

        def count(*_, cache=cache):
            counts[cache] += 1

        block.register_forward_hook(count)
        artist.draw(REQUESTS[:1], OPTIONS)
    assert counts["taylorseer"] < counts["none"] == 8


def test_a_unet_has_no_cache(tmp_path):
    stable_diffusion().save_pretrained(tmp_path)
    with pytest.raises(ExecutionError, match="step_cache must be none: first_block does not suit UNet2D"):
        Artist.load(tmp_path, execution=Execution(step_cache="first_block"))
