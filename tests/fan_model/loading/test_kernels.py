"""How a loaded pipeline computes on a CPU: weights in the order that it reads."""

import pytest
import torch
from diffusers import DiffusionPipeline

from fan_model.loading.execution import Execution
from fan_model.loading.kernels import autoencoder_of, image_model_of
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES
from tests.fan_model.pipelines import FAMILIES


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
