"""Which number type each component has: what its checkpoint says, and never one that it does not bear."""

import json

import pytest
import torch

from fan_model.loading.number_types import component_types, read_header, stored_type
from fan_model.loading.pipeline_files import PipelineFiles
from tests.fan_model import pipelines
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES

FAMILIES = pipelines.FAMILIES | LANGUAGE_FAMILIES
T5 = {"SD 3": "text_encoder_3", "FLUX": "text_encoder_2"}


@pytest.fixture
def save(tmp_path):
    def save(name, dtype=torch.float32, **config):
        FAMILIES[name]().to(dtype).save_pretrained(tmp_path)
        file = tmp_path / "vae" / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
        return tmp_path

    return save


def types_of(folder, asked="auto", device="cuda"):
    files = PipelineFiles(folder)
    return component_types(files.folder, files.index, files.family, asked, device)


@pytest.mark.parametrize("name", FAMILIES)
def test_everything_is_single_precision_on_the_cpu(save, name):
    folder = save(name)
    for device in ("cpu", "cpu:0"):
        assert set(types_of(folder, device=device).values()) == {"float32"}


@pytest.mark.parametrize("name", FAMILIES)
def test_neither_t5_nor_a_language_model_is_ever_float16(save, name):
    folder = save(name)
    for asked in ("auto", "float16"):
        types = types_of(folder, asked)
        large = {T5[name]} if name in T5 else {"text_encoder"} if name in LANGUAGE_FAMILIES else set()
        assert {types[each] for each in large} <= {"bfloat16"}
        assert "float16" in types_of(folder, "float16").values()


def test_an_autoencoder_is_single_precision_where_its_configuration_forces_it(save):
    folder = save("SD XL", force_upcast=True)
    assert types_of(folder) == {
        "text_encoder": "float16", "text_encoder_2": "float16", "unet": "float16", "vae": "float32",
    }  # fmt: skip
    assert set(types_of(folder, "bfloat16").values()) == {"bfloat16"}
    assert types_of(save("SD XL", force_upcast=False))["vae"] == "float16"


@pytest.mark.parametrize(("name", "small"), [("SD", 1), ("SD XL", 2), ("SD 3", 2), ("FLUX", 1), ("Sana", 0)])
def test_what_a_clip_reads_is_single_precision_on_the_cpu_beside_an_image_model_in_bfloat16(
    save, name, small
):
    types = types_of(save(name), "bfloat16", device="cpu")
    wide = {each for each, kind in types.items() if kind == "float32"}
    assert wide == {"text_encoder", "text_encoder_2"} & set(types) - {T5.get(name)} if small else not wide
    assert len(wide) == small
    assert set(types.values()) - {"float32"} == {"bfloat16"}


def test_what_was_trained_in_bfloat16_is_loaded_in_it(save):
    assert types_of(save("SD XL", torch.bfloat16, force_upcast=True))["vae"] == "bfloat16"
    assert types_of(save("FLUX"))["transformer"] == "bfloat16"


def test_the_stored_type_is_that_of_most_weights_and_unknown_without_any(save, tmp_path):
    folder = save("SD", torch.float16)
    assert stored_type(folder / "unet") == "float16"
    assert stored_type(folder / "tokenizer") is None
    assert stored_type(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 16])
def test_what_is_no_safetensors_file_is_told_so(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="x.safetensors is no safetensors file, or only its beginning"):
        read_header(tmp_path / "x.safetensors")
