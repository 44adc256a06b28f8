"""Every way to run a pipeline that a CPU knows, with tiny pipelines: the pictures, and their digests.

A field without a decision here fails the tests: say whether it changes the bytes of pictures.
"""

import io

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.loading.execution import Execution, ExecutionError, StyleAdapter
from fan_model.loading.pipeline_files import pipeline_fingerprint
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from tests.fan_model import pipelines
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES

pytestmark = pytest.mark.whole

FAMILIES = pipelines.FAMILIES | LANGUAGE_FAMILIES
OPTIONS = DrawingOptions(
    alpha=0.5, num_inference_steps=2, guidance_scale=3.0, num_references=None, height=32, width=32
)
REQUESTS = [
    ArtworkRequest(prompt="western film poster", references=("pastel watercolor", "neon"), seed=seed)
    for seed in range(2)
]
CHANGES_BYTES = {
    "dtype": "bfloat16",
    "quantization": "torchao-int8",
    "image_model": None,
    "configs": None,
    "adapters": None,
    "attention": "_native_math",
    "compile": True,
    "step_cache": "first_block",
    "vae_tiling": True,
}
"""Fields that change bytes, with another value; None where a file's content counts in place of the value."""
CHANGES_NOTHING = {"device": "cuda", "devices": ("cpu", "cpu"), "offload": "group", "batch_size": 3}


def saved(name, folder):
    FAMILIES[name]().save_pretrained(folder)
    return folder


def draw(folder, **execution):
    """The pixels of the pictures, and the artist."""
    artist = Artist.load(folder, execution=Execution(**execution))
    drawn = artist.draw(REQUESTS, OPTIONS)
    return [pixels(each.image) for each in drawn], artist


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(image)), float)


def fingerprint(folder, **execution):
    loader = PipelineLoader(find_pipeline(folder), Execution(**execution))
    return loader.pipeline_fingerprint(loader.files.checksums())


def distance(one, other):
    return max(float(np.abs(a - b).mean()) for a, b in zip(one, other, strict=True))


def test_every_field_has_a_decision():
    assert set(Execution.model_fields) == {*CHANGES_BYTES, *CHANGES_NOTHING}


def test_the_digest_holds_what_changes_bytes_and_nothing_else(tmp_path):
    folder = saved("FLUX", tmp_path)
    plain = fingerprint(folder)
    for name, value in CHANGES_BYTES.items():
        assert value is None or fingerprint(folder, **{name: value}) != plain, name
    for name, value in CHANGES_NOTHING.items():
        on_cpu = {"dtype": "float32"} if name == "device" else {}
        if name != "device" or torch.cuda.is_available():
            assert fingerprint(folder, **{name: value}, **on_cpu) == plain, name


def test_as_by_default_on_a_cpu_the_fingerprint_is_that_of_the_files(tmp_path):
    files = find_pipeline(saved("SD", tmp_path))
    assert fingerprint(tmp_path) == fingerprint(tmp_path, dtype="float32")
    assert fingerprint(tmp_path) == pipeline_fingerprint(files.checksums())


@pytest.mark.whole
@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_draws_the_same_off_the_device_and_nearly_the_same_in_halves(tmp_path, name):
    folder = saved(name, tmp_path)
    plain, _ = draw(folder)
    for offload in ("model", "group"):
        kept_off, artist = draw(folder, offload=offload)
        assert distance(plain, kept_off) == 0
        assert len(artist.encode_texts(["western"]).mean_unit_tokens) == 1
    half, artist = draw(folder, dtype="float16")
    assert 0 < distance(plain, half) < 12
    assert artist.pipeline_fingerprint != fingerprint(folder)


@pytest.mark.parametrize("name", ["SD", "FLUX"])
def test_replicas_share_the_pictures_out_and_draw_the_same(tmp_path, name):
    folder = saved(name, tmp_path)
    plain, one = draw(folder, batch_size=1)
    dealt, two = draw(folder, devices=("cpu", "cpu"), batch_size=1)
    assert (one.batch_size, two.batch_size) == (1, 2)
    assert distance(plain, dealt) == 0


def test_attention_is_computed_by_the_kernel_that_is_named(tmp_path):
    folder = saved("FLUX", tmp_path)
    plain, _ = draw(folder)
    other, _ = draw(folder, attention="_native_math")
    assert distance(plain, other) < 1
    with pytest.raises(ExecutionError, match="model.attention = sage cannot be used here"):
        draw(folder, attention="sage")


def test_a_unet_has_no_other_attention(tmp_path):
    with pytest.raises(ExecutionError, match="attention must be default: UNet2DConditionModel attends by"):
        draw(saved("SD", tmp_path), attention="native")


def test_tiles_draw_what_fits_into_one_tile_as_it_was(tmp_path):
    folder = saved("SD", tmp_path)
    plain, _ = draw(folder)
    tiled, _ = draw(folder, vae_tiling=True)
    assert distance(plain, tiled) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SD", "SD 3", "FLUX"])
def test_compiled_blocks_draw_nearly_the_same_pictures(tmp_path, name):
    folder = saved(name, tmp_path)
    plain, _ = draw(folder)
    compiled, _ = draw(folder, compile=True)
    assert distance(plain, compiled) < 1


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExecutionError, match="bitsandbytes-8bit needs the package bitsandbytes: .*quantiz"):
        Artist.load(saved("FLUX", tmp_path), execution=Execution(quantization="bitsandbytes-8bit"))


def test_the_image_model_may_be_a_file_of_its_own(tmp_path):
    folder = saved("FLUX", tmp_path / "pipeline")
    other = FAMILIES["FLUX"]().transformer
    with torch.no_grad():
        other.proj_out.weight.mul_(3)
    save_file(
        {name: value.contiguous() for name, value in other.state_dict().items()}, tmp_path / "m.safetensors"
    )
    plain, _ = draw(folder)
    changed, artist = draw(folder, image_model=tmp_path / "m.safetensors")
    assert distance(plain, changed) > 1
    assert artist.pipeline_fingerprint != fingerprint(folder)
    with pytest.raises(ExecutionError, match="nowhere.gguf of model.image_model is not there"):
        draw(folder, image_model=tmp_path / "nowhere.gguf")


def gguf_of_flux(file):
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(file, arch="flux")
    for name, value in FAMILIES["FLUX"]().transformer.state_dict().items():
        array = value.numpy()
        is_large = array.ndim == 2 and array.shape[1] % 32 == 0
        kind = gguf.GGMLQuantizationType.Q8_0 if is_large else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_an_image_model_quantized_by_gguf_draws_nearly_the_same(tmp_path):
    folder, file = saved("FLUX", tmp_path / "pipeline"), gguf_of_flux(tmp_path / "m.gguf")
    plain, _ = draw(folder)
    quantized, _ = draw(folder, image_model=file)
    assert 0 < distance(plain, quantized) < 5


def test_a_lora_stays_beside_an_image_model_quantized_by_gguf(tmp_path):
    pytest.importorskip("peft")
    folder, file = saved("FLUX", tmp_path / "pipeline"), gguf_of_flux(tmp_path / "m.gguf")
    name = "transformer.transformer_blocks.0.attn.to_q"
    width = FAMILIES["FLUX"]().transformer.transformer_blocks[0].attn.to_q.in_features
    parts = {"lora_A": 9 * torch.ones(1, width), "lora_B": torch.ones(width, 1)}
    save_file({f"{name}.{part}.weight": value for part, value in parts.items()}, tmp_path / "l.safetensors")
    lora = (StyleAdapter(path=str(tmp_path / "l.safetensors")),)
    quantized, _ = draw(folder, image_model=file)
    styled, _ = draw(folder, image_model=file, adapters=lora)
    whole, _ = draw(folder, adapters=lora)
    assert distance(quantized, styled) > 0.05
    assert distance(whole, styled) < 5


def test_a_lora_changes_the_text_encoder_of_flux_too(tmp_path):
    pytest.importorskip("peft")
    folder = saved("FLUX", tmp_path / "pipeline")
    name = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
    parts = {"lora_A": torch.ones(1, 32), "lora_B": torch.ones(32, 1)}
    save_file({f"{name}.{part}.weight": value for part, value in parts.items()}, tmp_path / "l.safetensors")
    plain, styled = (
        PipelineLoader(find_pipeline(folder), Execution(adapters=adapters)).load("cpu").text_encoder
        for adapters in ((), (StyleAdapter(path=str(tmp_path / "l.safetensors")),))
    )
    changed = [
        name
        for name, weight in plain.named_parameters()
        if not torch.equal(weight, styled.get_parameter(name))
    ]
    assert len(changed) == 1
    assert changed[0].endswith("layers.0.self_attn.q_proj.weight")


@pytest.mark.parametrize("name", ["FLUX", "Z-Image"])
@pytest.mark.parametrize("quantization", ["torchao-int8", "torchao-fp8"])
def test_weights_that_are_quantized_while_they_are_loaded_draw_nearly_the_same(tmp_path, name, quantization):
    pytest.importorskip("torchao")
    folder = saved(name, tmp_path)
    plain, _ = draw(folder)
    quantized, _ = draw(folder, quantization=quantization, dtype="bfloat16")
    assert 0 < distance(plain, quantized) < 5


def lora_of(unet, file, *, scale):
    """A LoRA of rank 1 for every projection of queries."""
    torch.manual_seed(0)
    state = {}
    for name, module in unet.named_modules():
        if name.endswith("attn2.to_q"):
            state[f"unet.{name}.lora_A.weight"] = scale * torch.randn(1, module.in_features)
            state[f"unet.{name}.lora_B.weight"] = torch.randn(module.out_features, 1)
    save_file(state, file)
    return str(file)


def test_a_lora_changes_pictures_as_strongly_as_it_is_told_to(tmp_path):
    pytest.importorskip("peft")
    folder = saved("SD", tmp_path / "pipeline")
    file = lora_of(FAMILIES["SD"]().unet, tmp_path / "lora.safetensors", scale=3)
    plain, plainly = draw(folder)
    styled, artist = draw(folder, adapters=(StyleAdapter(path=file),))
    unstyled, _ = draw(folder, adapters=(StyleAdapter(path=file, strength=0.0),))
    assert distance(plain, styled) > 0.05
    assert distance(plain, unstyled) == 0
    assert artist.pipeline_fingerprint != plainly.pipeline_fingerprint
    assert artist.encoder_fingerprint == plainly.encoder_fingerprint


def test_a_lora_of_another_model_is_refused(tmp_path):
    pytest.importorskip("peft")
    file = tmp_path / "lora.safetensors"
    save_file(
        {"unet.nothing.lora_A.weight": torch.ones(1, 2), "unet.nothing.lora_B.weight": torch.ones(2, 1)}, file
    )
    with pytest.raises(ExecutionError, match="lora.safetensors does not fit StableDiffusionPipeline"):
        draw(saved("SD", tmp_path / "pipeline"), adapters=(StyleAdapter(path=str(file)),))


@pytest.mark.parametrize("num_vectors", [1, 3])
def test_a_textual_inversion_teaches_a_word_of_any_number_of_vectors(tmp_path, num_vectors):
    folder = saved("SD", tmp_path / "pipeline")
    file = tmp_path / "style.safetensors"
    save_file({"emb_params": 5 * torch.randn(num_vectors, 32)}, file)
    adapter = StyleAdapter(path=str(file), kind="textual_inversion", token="<house>")
    artist = Artist.load(folder, execution=Execution(adapters=(adapter,)))
    plain = Artist.load(folder)
    assert artist.encoder_fingerprint != plain.encoder_fingerprint
    same = [each.encode_texts(["western film"]).mean_unit_tokens for each in (artist, plain)]
    np.testing.assert_array_equal(*same)
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.load_textual_inversion(str(file), token="<house>")
    theirs, _ = pipeline.encode_prompt("western <house>", "cpu", 1, False)
    ours = artist.condition([ArtworkRequest(prompt="western <house>")], OPTIONS).prompt_embeds
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("path", "reason"), [("style.bin", "must be a .safetensors file"), ("x.safetensors", "is not there")]
)
def test_an_adapter_that_is_pickled_or_missing_is_refused_before_anything_is_loaded(tmp_path, path, reason):
    with pytest.raises(ExecutionError, match=reason):
        draw(saved("SD", tmp_path / "pipeline"), adapters=(StyleAdapter(path=str(tmp_path / path)),))
