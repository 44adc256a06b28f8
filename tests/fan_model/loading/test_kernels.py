"""How a loaded pipeline computes on a CPU: weights in the order that it reads, and halves it multiplies."""

from importlib.resources import files

import pytest
import torch
from diffusers import DiffusionPipeline

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.visible_change import visible_change
from fan_model.loading.execution import Execution
from fan_model.loading.kernels import autoencoder_of, image_model_of
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES
from tests.fan_model.pipelines import FAMILIES

BUNDLED = str(files("fan_model") / "bundled" / "pipeline")
NEARLY_THE_SAME = 1.0
"""Of a visible change: from 2 or 3 on people tell colours apart."""


def loaded(folder, dtype) -> DiffusionPipeline:
    return PipelineLoader(find_pipeline(folder), Execution(dtype=dtype)).load("cpu")


def has_channels_last(component):
    """Whether each convolution of more than a pixel has its weights in that order."""
    kernels = [each.weight for each in component.modules() if isinstance(each, torch.nn.Conv2d)]
    orders = {each.is_contiguous(memory_format=torch.channels_last) for each in kernels if each.shape[-1] > 1}
    (order,) = orders
    return order


@pytest.mark.parametrize(("dtype", "is_so"), [("float32", False), ("bfloat16", True)])
def test_an_autoencoder_in_bfloat16_has_its_channels_last(tmp_path, dtype, is_so):
    FAMILIES["SD"]().save_pretrained(tmp_path)
    pipeline = loaded(tmp_path, dtype)
    assert has_channels_last(autoencoder_of(pipeline)) == is_so
    assert not has_channels_last(image_model_of(pipeline))


def test_an_autoencoder_of_films_keeps_the_order_of_its_three_dimensions(tmp_path):
    LANGUAGE_FAMILIES["Qwen-Image"]().save_pretrained(tmp_path)
    autoencoder = autoencoder_of(loaded(tmp_path, "bfloat16"))
    assert any(isinstance(each, torch.nn.Conv3d) for each in autoencoder.modules())
    assert has_channels_last(autoencoder)


def test_the_bundled_model_draws_in_bfloat16_what_the_eye_takes_for_the_same():
    requests = [
        ArtworkRequest(prompt="western film poster", references=("pastel watercolor", "neon"), seed=seed)
        for seed in range(2)
    ]
    single, half = (
        Artist.load(BUNDLED, execution=Execution(dtype=dtype)).draw(requests, DrawingOptions())
        for dtype in ("float32", "bfloat16")
    )
    changes = [visible_change(one.image, other.image) for one, other in zip(single, half, strict=True)]
    assert all(0 < change < NEARLY_THE_SAME for change in changes)
    assert visible_change(single[0].image, single[1].image) > NEARLY_THE_SAME
