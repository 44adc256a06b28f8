"""Single files: known by the names of their weights, and loaded as the pipelines that they are."""

import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_utils import CHECKPOINT_KEY_NAMES
from safetensors.torch import save_file

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.encoders.families import UnsupportedPipelineError
from fan_model.loading.checkpoints import recognize
from fan_model.loading.execution import Execution
from fan_model.loading.pipeline_files import PipelineError
from tests.fan_model.original_names import LAST_BLOCK, save_single_file
from tests.fan_model.pipelines import flux, stable_diffusion

XL, FLUX = (
    "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias",
    CHECKPOINT_KEY_NAMES["flux"][0],
)
IN = "model.diffusion_model.input_blocks.0.0.weight"
KINDS = {
    "StableDiffusionPipeline": {CHECKPOINT_KEY_NAMES["v1"]: (4, 4)},
    "StableDiffusionXLPipeline": {XL: (4,), IN: (4, 4)},
    "FluxPipeline": {FLUX: (4,)},
    "StableDiffusion3Pipeline": {CHECKPOINT_KEY_NAMES["sd35_large"][0]: (4, 4)},
}
REFUSED = {"xl_inpaint": {XL: (4,), IN: (4, 9)}, "xl_refiner": {CHECKPOINT_KEY_NAMES["xl_refiner"]: (4,)}}
REQUEST = ArtworkRequest(prompt="western film poster", references=("neon",), seed=3)
OPTIONS = DrawingOptions(num_inference_steps=2, num_references=None)


def save(file, shapes):
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, file)
    return file


@pytest.mark.parametrize("pipeline", KINDS)
def test_a_family_is_known_by_the_names_of_its_weights(tmp_path, pipeline):
    assert recognize(save(tmp_path / "x.safetensors", KINDS[pipeline])).family.pipeline == pipeline


@pytest.mark.parametrize("kind", REFUSED)
def test_what_wants_more_than_a_prompt_is_refused_by_its_kind(tmp_path, kind):
    with pytest.raises(UnsupportedPipelineError, match=f"x.safetensors is a checkpoint of {kind}"):
        Artist.load(save(tmp_path / "x.safetensors", REFUSED[kind]))


def test_what_is_not_known_is_told_so(tmp_path):
    with pytest.raises(PipelineError, match="x.safetensors is no checkpoint of a pipeline that is known"):
        Artist.load(save(tmp_path / "x.safetensors", {"a.weight": (2, 2)}))
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    with pytest.raises(PipelineError, match="x.safetensors is no safetensors file"):
        Artist.load(tmp_path / "x.safetensors")


@pytest.fixture
def single_file(tmp_path, monkeypatch):
    monkeypatch.setitem(CHECKPOINT_KEY_NAMES, "v1", LAST_BLOCK)
    pipeline = stable_diffusion()
    pipeline.save_pretrained(tmp_path / "folder")
    return save_single_file(pipeline, tmp_path / "model.safetensors")


def test_a_single_file_draws_as_its_folder_does(single_file):
    folder = single_file.parent / "folder"
    whole = Artist.load(folder)
    single = Artist.load(single_file, execution=Execution(configs=str(folder)))
    one, other = (artist.draw([REQUEST], OPTIONS)[0].image for artist in (whole, single))
    texts = [artist.encode_texts(["western"]).mean_unit_tokens for artist in (whole, single)]
    np.testing.assert_array_equal(*texts)
    assert len(one) > 0
    assert single.pipeline_fingerprint != whole.pipeline_fingerprint
    assert pixels(one).tobytes() == pixels(other).tobytes()


def pixels(image):
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(image)))


def test_configurations_of_another_family_are_refused(single_file):
    flux().save_pretrained(single_file.parent / "flux")
    with pytest.raises(PipelineError, match="are those of FluxPipeline: name others as model.configs"):
        Artist.load(single_file, execution=Execution(configs=str(single_file.parent / "flux")))


def test_without_a_folder_and_without_the_hub_configurations_are_asked_for(single_file):
    with pytest.raises(PipelineError, match="cannot be had from the hub: name a folder as model.configs"):
        Artist.load(single_file)
