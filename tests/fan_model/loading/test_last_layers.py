"""The last layers of what computes in bfloat16 are in single precision, and pictures are nearly as in it."""

from importlib.resources import files

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.pictured_requests import PicturedRequest
from fan_model.drawing.visible_change import visible_change
from fan_model.image_references.image_profile import ImageProfile
from fan_model.loading.execution import Execution, StyleAdapter
from fan_model.loading.image_encoders import find_images
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES
from tests.fan_model.pipelines import FAMILIES
from tests.fan_model.saved_image_pipelines import SAVED

ALL_FAMILIES = FAMILIES | LANGUAGE_FAMILIES
BUNDLED = str(files("fan_model") / "bundled" / "pipeline")
OPTIONS = DrawingOptions(num_inference_steps=2, guidance_scale=3.0, height=32, width=32)
NEARLY_THE_SAME = 0.5
"""Of a visible change: from 2 or 3 on people tell colours apart."""


def loaded(folder, **execution):
    return PipelineLoader(find_pipeline(folder), Execution(**execution)).load("cpu")


def drawn(folder, request, dtype, images=None):
    artist = Artist.load(folder, images=images, execution=Execution(dtype=dtype))
    return artist.draw([request], OPTIONS)[0].image


def single(component):
    """Names of the weights in single precision."""
    return {name for name, weight in component.named_parameters() if weight.dtype == torch.float32}


@pytest.fixture(params=[{}, {"max_shard_size": "4KB"}], ids=["whole", "in parts"])
def stable_diffusion(tmp_path, request):
    pipeline = FAMILIES["SD"]()
    pipeline.save_pretrained(tmp_path, **request.param)
    # A variant of the same weights, which nobody asked for.
    pipeline.unet.conv_out.weight.data.fill_(1.0)
    pipeline.unet.save_pretrained(tmp_path / "unet", variant="non_ema")
    return tmp_path


def test_only_the_last_layers_are_in_single_precision(stable_diffusion):
    pipeline = loaded(stable_diffusion, dtype="bfloat16")
    assert single(pipeline.unet) == {
        f"{layer}.{kind}" for layer in ("conv_norm_out", "conv_out") for kind in ("weight", "bias")
    }
    assert single(pipeline.vae) == {"decoder.conv_out.weight", "decoder.conv_out.bias"}
    assert pipeline.unet.dtype == pipeline.vae.dtype == torch.bfloat16


def test_they_are_as_they_are_stored_and_not_rounded(stable_diffusion):
    single, half = (loaded(stable_diffusion, dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert torch.equal(half.unet.conv_out.weight, single.unet.conv_out.weight)
    assert torch.equal(half.vae.decoder.conv_out.weight, single.vae.decoder.conv_out.weight)


def test_what_adapters_do_to_them_stays(tmp_path):
    pytest.importorskip("peft")
    images = find_images(SAVED["IP-Adapter on SD"](tmp_path))
    file = tmp_path / "lora.safetensors"
    layer = "unet.conv_out"
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(1, 8, 3, 3), f"{layer}.lora_B.weight": torch.ones(4, 1, 1, 1)},
        file,
    )

    def last_layer(**execution):
        loader = PipelineLoader(find_pipeline(tmp_path / "pipeline"), Execution(**execution), images)
        return loader.load("cpu").unet.conv_out.weight

    lora = (StyleAdapter(path=str(file)),)
    plain, styled = last_layer(dtype="bfloat16"), last_layer(dtype="bfloat16", adapters=lora)
    assert torch.equal(plain, last_layer())
    assert torch.equal(styled, last_layer(adapters=lora))
    assert not torch.equal(plain, styled)


@pytest.mark.parametrize("dtype", ["auto", "float32", "float16"])
def test_in_other_types_all_layers_are_of_one(stable_diffusion, dtype):
    unet = loaded(stable_diffusion, dtype=dtype).unet
    assert len({weight.dtype for weight in unet.parameters()}) == 1
    assert not unet._forward_pre_hooks


def test_a_decoder_of_films_is_left_as_it_is(tmp_path):
    LANGUAGE_FAMILIES["Qwen-Image"]().save_pretrained(tmp_path)
    assert not single(loaded(tmp_path, dtype="bfloat16").vae)


def test_the_last_layers_are_named_in_the_digest(stable_diffusion):
    def makes(dtype):
        return PipelineLoader(find_pipeline(stable_diffusion), Execution(dtype=dtype))._makes()

    assert makes("bfloat16")["last_layers"] == "float32"
    assert "last_layers" not in makes("float32") | makes("float16")


def test_they_are_not_named_where_a_text_encoder_alone_is_in_bfloat16(tmp_path):
    FAMILIES["FLUX"]().save_pretrained(tmp_path)
    loader = PipelineLoader(find_pipeline(tmp_path), Execution(dtype="float16"))
    assert loader.types["text_encoder_2"] == "bfloat16"
    assert "last_layers" not in loader._makes()


def test_those_of_an_image_model_of_its_own_are_read_from_its_file(tmp_path):
    pipeline = FAMILIES["SD"]()
    pipeline.save_pretrained(tmp_path / "pipeline")
    pipeline.unet.conv_out.weight.data.mul_(2)
    save_file(pipeline.unet.state_dict(), tmp_path / "unet.safetensors")
    single, half = (
        loaded(tmp_path / "pipeline", dtype=dtype, image_model=tmp_path / "unet.safetensors")
        for dtype in ("float32", "bfloat16")
    )
    torch.testing.assert_close(half.unet.conv_out.weight, single.unet.conv_out.weight, rtol=0.01, atol=0)
    assert torch.equal(half.vae.decoder.conv_out.weight, single.vae.decoder.conv_out.weight)


@pytest.mark.whole
@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_each_family_draws_in_bfloat16(tmp_path, name):
    ALL_FAMILIES[name]().save_pretrained(tmp_path)
    request = ArtworkRequest(prompt="western film poster", references=("neon",), seed=1)
    one, other = (drawn(tmp_path, request, dtype) for dtype in ("float32", "bfloat16"))
    assert visible_change(one, other) < 12


@pytest.mark.whole
@pytest.mark.parametrize("name", SAVED)
def test_each_family_that_takes_pictures_draws_in_bfloat16(tmp_path, name):
    images = SAVED[name](tmp_path)
    liked = ImageProfile.of(Image.new("RGB", (32, 32), "teal"), [Image.new("RGB", (32, 32), "red")])
    request = PicturedRequest(prompt="western film poster", images=liked, seed=1)
    one, other = (drawn(tmp_path / "pipeline", request, dtype, images) for dtype in ("float32", "bfloat16"))
    assert visible_change(one, other) < 12


def test_the_bundled_model_draws_in_bfloat16_what_the_eye_takes_for_the_same():
    requests = [
        ArtworkRequest(prompt=f"{genre} film poster", references=("pastel watercolor", "neon"), seed=seed)
        for seed, genre in enumerate(["western", "horror drama", "comedy", "sci-fi action adventure"])
    ]
    single, half = (
        Artist.load(BUNDLED, execution=Execution(dtype=dtype)).draw(requests, DrawingOptions())
        for dtype in ("float32", "bfloat16")
    )
    changes = [visible_change(one.image, other.image) for one, other in zip(single, half, strict=True)]
    assert all(0 < change < NEARLY_THE_SAME for change in changes)
    assert visible_change(single[0].image, single[1].image) > 2 * NEARLY_THE_SAME
