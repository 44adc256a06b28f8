"""What lets a pipeline look at pictures is checked before it is loaded, and part of the fingerprints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from fan_model.drawing.artist import Artist
from fan_model.encoders.families import FAMILIES
from fan_model.loading.execution import Execution, ExecutionError
from fan_model.loading.image_encoders import find_images, require_images
from fan_model.loading.picture_input import PictureInput
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from fan_model.method.profiling import ReferenceVectors
from fan_model.method.reference_kinds import ReferenceKinds
from tests.fan_model import image_pipelines, pipelines
from tests.fan_model.saved_image_pipelines import SAVED

IMAGES_ALONE, BOTH = ReferenceKinds(references="images"), ReferenceKinds(references="both")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"encoder": None}, r"images\.encoder must name the folder"),
        ({"path": "lost.safetensors"}, r"the file lost.safetensors of images\.path is not there"),
        ({"encoder": "lost"}, r"the folder lost of images is not there"),
        ({"path": "lost"}, r"images\.path: lost holds no pipeline"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_refused_before_it_is(tmp_path, change, sentence):
    images = SAVED["IP-Adapter on SD"](tmp_path).model_copy(update=change)
    with pytest.raises(ExecutionError, match=sentence):
        PipelineLoader(find_pipeline(tmp_path / "pipeline"), Execution(), images)


def test_an_adapter_of_another_model_is_refused(tmp_path):
    images = SAVED["IP-Adapter on SD XL"](tmp_path)
    pipelines.stable_diffusion().save_pretrained(tmp_path / "other")
    loader = PipelineLoader(find_pipeline(tmp_path / "other"), Execution(), images)
    with pytest.raises(ExecutionError, match=r"the IP-Adapter ip-adapter.safetensors does not fit Stable"):
        loader.load("cpu")
    pipelines.flux().save_pretrained(tmp_path / "flux")
    with pytest.raises(ExecutionError, match="FluxPipeline takes no pictures by IP-Adapter"):
        PipelineLoader(find_pipeline(tmp_path / "flux"), Execution(), images)


def test_what_looks_at_pictures_is_part_of_the_fingerprint(tmp_path):
    images = SAVED["IP-Adapter on SD"](tmp_path)
    files = find_pipeline(tmp_path / "pipeline")
    ways = [None, images, images.model_copy(update={"scale": 0.1})]
    loaders = [PipelineLoader(files, Execution(), way) for way in ways]
    fingerprints = {loader.pipeline_fingerprint(files.checksums()) for loader in loaders}
    assert len(fingerprints) == 3


def test_weights_cannot_be_kept_off_the_device_of_what_looks_at_pictures(tmp_path):
    image_pipelines.unclip().save_pretrained(tmp_path)
    with pytest.raises(ExecutionError, match="model.offload must be none"):
        PipelineLoader(find_pipeline(tmp_path), Execution(offload="model"))


def test_an_autoencoder_without_tiles_is_told_so(tmp_path):
    images = SAVED["Kandinsky"](tmp_path)
    loader = PipelineLoader(find_pipeline(tmp_path / "pipeline"), Execution(vae_tiling=True), images)
    with pytest.raises(ExecutionError, match="model.vae_tiling must be false: VQModel decodes no tiles"):
        loader.load("cpu")


def test_what_is_seen_of_pictures_is_the_encoders_not_the_pipelines_as_a_whole(tmp_path):
    images = SAVED["IP-Adapter on SD"](tmp_path)
    files = find_pipeline(tmp_path / "pipeline")
    sums = files.checksums()
    loaders = [
        PipelineLoader(files, Execution(), way) for way in (images, images.model_copy(update={"scale": 0.1}))
    ]
    assert len({loader.image_fingerprint(sums) for loader in loaders}) == 1
    half = PipelineLoader(files, Execution(dtype="bfloat16"), images)
    assert half.image_fingerprint(sums) != loaders[0].image_fingerprint(sums)


def test_what_lets_a_pipeline_look_is_fetched_from_the_hub_by_its_place_there(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--owner--adapter"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    there = kept / "snapshots" / ("0" * 40) / "models"
    there.mkdir(parents=True)
    found = find_images(
        PictureInput(path="owner/adapter/models/one.safetensors", encoder="owner/adapter/models")
    )
    assert found == PictureInput(path=str(there / "one.safetensors"), encoder=str(there))
    assert find_images(None) is None
    here = PictureInput(path=str(tmp_path))
    assert find_images(here) == here
    with pytest.raises(ExecutionError, match=r"owner/other of images.path is not here, and cannot be had"):
        find_images(PictureInput(path="owner/other"))


def test_a_pipeline_that_takes_no_pictures_says_how_it_would(tmp_path):
    first, third = (
        next(one for one in FAMILIES if one.pipeline == name)
        for name in ("StableDiffusionPipeline", "StableDiffusion3Pipeline")
    )
    with pytest.raises(ExecutionError, match="no pictures as it is: name its IP-Adapter as images.path"):
        require_images(None, first, BOTH)
    with pytest.raises(ExecutionError, match="no pictures as it is: draw with one of FluxPipeline, Kand"):
        require_images(None, third, BOTH)
    require_images(SAVED["IP-Adapter on SD"](tmp_path), first, BOTH)


def test_texts_beside_pictures_are_refused_where_nothing_reads_them(tmp_path):
    kandinsky = next(one for one in FAMILIES if one.pipeline == "KandinskyV22Pipeline")
    images = SAVED["Kandinsky"](tmp_path)
    require_images(images, kandinsky, IMAGES_ALONE)
    with pytest.raises(ExecutionError, match="must be images: KandinskyV22Pipeline reads no texts"):
        require_images(images, kandinsky, BOTH)


def test_texts_that_select_for_kandinsky_are_read_by_its_prior(tmp_path):
    images = SAVED["Kandinsky"](tmp_path)
    artist = Artist.load(tmp_path / "pipeline", images=images)
    texts = ["noir", "pastel poster"]
    with torch.no_grad():
        _, states, _ = image_pipelines.kandinsky_prior()._encode_prompt(texts, "cpu", 1, False)
    expected = ReferenceVectors.of_tokens(states.numpy())
    found = artist.encode_texts(texts)
    np.testing.assert_allclose(found.mean_unit_tokens, expected.mean_unit_tokens, atol=2e-5)
    assert artist.count_unread(["noir"]) == [0]


def test_what_reads_texts_for_kandinsky_is_part_of_the_encoders_fingerprint(tmp_path):
    images = SAVED["Kandinsky"](tmp_path)
    files = find_pipeline(tmp_path / "pipeline")

    def fingerprint():
        return PipelineLoader(files, Execution(), images).encoder_fingerprint(files.checksums())

    before = fingerprint()
    assert fingerprint() == before
    prior = image_pipelines.kandinsky_prior()
    with torch.no_grad():
        prior.text_encoder.text_model.final_layer_norm.bias += 1
    prior.text_encoder.save_pretrained(Path(images.path) / "text_encoder")
    assert fingerprint() != before
