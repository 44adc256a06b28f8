"""A pipeline is known by the checksums of its files, and refused if they are others or pickled."""

import hashlib
import json
import shutil

import pytest

from fan_model.loading.pipeline_files import (
    PipelineError,
    PipelineFiles,
    absent_components,
    component_files,
    encoder_fingerprint,
    pipeline_fingerprint,
    verify_checksums,
)

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "image_encoder": [None, None],
}
FILES = (
    "text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer/vocab.json",
    "unet/config.json", "unet/model.safetensors",
)  # fmt: skip


@pytest.fixture
def pipeline(tmp_path):
    """Files of a pipeline; what is in them does not matter here."""
    folder = tmp_path / "pipeline"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"what is in {name}")
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return folder


def change(folder, name):
    """The checksums of a pipeline, and those of it with one file changed."""
    before = PipelineFiles(folder).checksums()
    (folder / name).write_text("something else")
    return before, PipelineFiles(folder).checksums()


def test_every_file_of_the_components_has_its_sha256_by_its_path_and_no_other_file_has(pipeline):
    (pipeline / "README.md").write_text("a page")
    (pipeline / "image_encoder").mkdir()
    (pipeline / "image_encoder" / "config.json").write_text("a component that the pipeline is without")
    checksums = PipelineFiles(pipeline).checksums()
    assert list(checksums) == ["model_index.json", *sorted(FILES)]
    content = b"what is in unet/config.json"
    assert checksums["unet/config.json"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_another_pipeline_and_another_encoder_if_it_makes_text(pipeline, name):
    before, after = change(pipeline, name)
    assert pipeline_fingerprint(before) != pipeline_fingerprint(after)
    makes_text = name.startswith(("text_encoder", "tokenizer"))
    assert (encoder_fingerprint(before) != encoder_fingerprint(after)) == makes_text


def test_a_file_under_another_name_is_another_pipeline(pipeline):
    before = pipeline_fingerprint(PipelineFiles(pipeline).checksums())
    (pipeline / "unet/config.json").rename(pipeline / "unet/settings.json")
    assert pipeline_fingerprint(PipelineFiles(pipeline).checksums()) != before


def test_a_fingerprint_stays_what_it_is_for_vectors_and_pictures_are_known_by_it():
    checksums = {"text_encoder/a": "1", "unet/b": "2"}
    assert pipeline_fingerprint(checksums) == hashlib.sha256(b"text_encoder/a 1\nunet/b 2\n").hexdigest()
    assert encoder_fingerprint(checksums) == hashlib.sha256(b"text_encoder/a 1\n").hexdigest()


def test_a_copy_of_a_pipeline_is_the_same_pipeline(pipeline, tmp_path):
    copy = PipelineFiles(shutil.copytree(pipeline, tmp_path / "copy")).checksums()
    verify_checksums(copy, PipelineFiles(pipeline).checksums())
    assert pipeline_fingerprint(copy) == pipeline_fingerprint(PipelineFiles(pipeline).checksums())


def test_a_pipeline_that_is_not_the_one_that_was_registered_is_refused_with_the_names_of_its_files(pipeline):
    expected, found = change(pipeline, "unet/config.json")
    with pytest.raises(
        PipelineError, match="^1 of the pipeline's files are not .*: unet/config.json; restore"
    ):
        verify_checksums(found, expected)
    with pytest.raises(
        PipelineError, match="^6 of .*: model_index.json, text_encoder/.*, unet/config.json; re"
    ):
        verify_checksums({}, expected)


@pytest.mark.parametrize("name", ["model.bin", "Model.CKPT", "a/b/c.pt"])
def test_pickled_weights_are_refused_by_their_names(pipeline, name):
    (pipeline / "unet" / name).parent.mkdir(parents=True, exist_ok=True)
    (pipeline / "unet" / name).write_text("x")
    with pytest.raises(PipelineError, match=f"pickled weights are refused: unet/{name}; save"):
        component_files(pipeline)


@pytest.mark.parametrize("index", [None, "no json"])
def test_a_folder_without_an_index_is_no_pipeline(pipeline, index):
    (pipeline / "model_index.json").unlink()
    if index:
        (pipeline / "model_index.json").write_text(index)
    with pytest.raises(PipelineError, match="holds no pipeline: model_index.json is missing or no JSON"):
        PipelineFiles(pipeline).checksums()


def test_components_that_a_pipeline_is_without_are_told_apart_from_those_it_has(pipeline):
    assert absent_components(pipeline) == ["image_encoder"]
    found = {path.relative_to(pipeline).as_posix() for path in component_files(pipeline)}
    assert found == set(FILES)
