"""Who is accepted, and who is refused before anything is loaded."""

import json

import diffusers
import pytest

from fan_model.drawing.artist import Artist
from fan_model.encoders.conditioners import TOWER_CONDITIONERS, accept_pipeline
from fan_model.encoders.families import (
    FAMILIES,
    Family,
    UnsupportedPipelineError,
    accept,
    accept_index,
    nearest,
)
from fan_model.loading.pipeline_files import read_index
from fan_model.service.registry import register_artist
from tests.fan_model import image_pipelines, pipelines
from tests.fan_model.language_pipelines import LANGUAGE_FAMILIES

PICTURED = {"unCLIP": image_pipelines.unclip, "Kandinsky 2.2": image_pipelines.kandinsky}
ALL_FAMILIES = pipelines.FAMILIES | LANGUAGE_FAMILIES | PICTURED
SUPPORTED = {family.pipeline for family in FAMILIES}
ALL_CLASSES = sorted(
    name for name in dir(diffusers) if name.endswith("Pipeline") and not name.startswith("_")
)
STABLE_DIFFUSION = {
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
}


def save_index(folder, pipeline, classes):
    index = {"_class_name": pipeline, **{name: ["transformers", kind] for name, kind in classes.items()}}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_a_pipeline_is_accepted_in_memory_and_by_its_index(name, tmp_path):
    pipeline = ALL_FAMILIES[name]()
    pipeline.save_pretrained(tmp_path)
    family = accept_pipeline(pipeline)
    assert family.pipeline == type(pipeline).__name__
    assert accept_index(read_index(tmp_path)) is family


def test_every_family_is_read_in_one_way():
    assert len(SUPPORTED) == len(FAMILIES)
    by_towers = {one.pipeline for one in FAMILIES if one.prompt_call is None and one.text_encoders}
    assert set(TOWER_CONDITIONERS) == by_towers


@pytest.mark.parametrize("name", [name for name in ALL_CLASSES if name not in SUPPORTED])
def test_no_other_class_is_accepted_though_it_has_the_parts_of_one(name, tmp_path):
    """Its components are those of Stable Diffusion 1, so by them alone it would pass."""
    folder = save_index(tmp_path, name, STABLE_DIFFUSION)
    with pytest.raises(UnsupportedPipelineError, match=f"{name} cannot be drawn with .* supported are "):
        Artist.load(folder)


def test_a_refused_pipeline_is_not_registered_either(tmp_path):
    folder = save_index(tmp_path, "StableDiffusionInpaintPipeline", STABLE_DIFFUSION)
    with pytest.raises(
        UnsupportedPipelineError, match="the nearest that would do is StableDiffusionPipeline"
    ):
        register_artist(folder)


@pytest.mark.parametrize("name", PICTURED)
def test_a_pipeline_that_needs_a_picture_of_each_target_is_not_registered(name, tmp_path):
    PICTURED[name]().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedPipelineError, match="draws from a picture of each target, and nights"):
        register_artist(tmp_path)


@pytest.mark.parametrize(
    ("component", "sentence"),
    [
        ("image_encoder", "its image_encoder is missing and must be CLIPVisionModelWith"),
        ("vae", "its vae is"),
    ],
)
def test_a_pipeline_that_cannot_look_is_refused(component, sentence):
    classes = {
        **STABLE_DIFFUSION, "image_encoder": "CLIPVisionModelWithProjection", component: None
    }  # fmt: skip
    with pytest.raises(UnsupportedPipelineError, match=sentence):
        accept("StableUnCLIPImg2ImgPipeline", classes)


@pytest.mark.parametrize(
    ("pipeline", "classes", "wanted"),
    [
        ("StableDiffusionInpaintPipeline", STABLE_DIFFUSION, "StableDiffusionPipeline"),
        ("StableDiffusionXLControlNetPipeline", {}, "StableDiffusionXLPipeline"),
        ("StableDiffusion3InpaintPipeline", {}, "StableDiffusion3Pipeline"),
        ("FluxKontextPipeline", {}, "FluxPipeline"),
        (
            "HiDreamImagePipeline",
            {"text_encoder": "CLIPTextModelWithProjection", "text_encoder_3": "T5EncoderModel"},
            "StableDiffusion3Pipeline",
        ),
    ],
)
def test_the_nearest_is_the_one_of_the_same_name_or_else_of_the_same_encoders(pipeline, classes, wanted):
    assert nearest(pipeline, classes).pipeline == wanted


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"text_encoder": "RobertaModel"}, "its text_encoder is RobertaModel and must be CLIPTextModel;"),
        ({"text_encoder": None}, "its text_encoder is missing and must be CLIPTextModel;"),
        ({"unet": "UNet3DConditionModel"}, "its unet is UNet3DConditionModel and must be UNet2DCondition"),
        ({"vae": None}, "its vae is missing;"),
        ({"tokenizer": None}, "its tokenizer is missing;"),
    ],
)
def test_a_class_with_other_components_is_refused(change, sentence):
    with pytest.raises(UnsupportedPipelineError, match=sentence):
        accept("StableDiffusionPipeline", STABLE_DIFFUSION | change)


def test_a_class_with_code_of_its_own_is_refused():
    class StableDiffusionPipeline(diffusers.StableDiffusionPipeline):
        pass

    with pytest.raises(UnsupportedPipelineError, match=r"test_families.*StableDiffusionPipeline cannot be"):
        accept_pipeline(StableDiffusionPipeline(**pipelines.stable_diffusion().components))
    with pytest.raises(UnsupportedPipelineError, match="cannot be drawn with"):
        accept_index({"_class_name": ["pipeline", "Mine"]} | {"unet": ["diffusers", "UNet2DConditionModel"]})


def nine_channels():
    return diffusers.UNet2DConditionModel.from_config({**pipelines.unet(32).config, "in_channels": 9})


@pytest.mark.parametrize(
    ("unet", "sentence"),
    [
        (nine_channels, "its unet reads 9 channels and not 4: it wants a picture, too"),
        (
            lambda: pipelines.unet(32, num_class_embeds=7),
            "its unet has num_class_embeds 7 and must have None",
        ),
    ],
)
def test_a_unet_that_wants_a_picture_or_a_class_is_refused(unet, sentence):
    components = pipelines.stable_diffusion().components | {"unet": unet()}
    with pytest.raises(UnsupportedPipelineError, match=sentence):
        accept_pipeline(diffusers.StableDiffusionPipeline(**components, requires_safety_checker=False))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.pipeline)
def test_a_family_is_of_diffusers_and_says_what_it_is(family: Family):
    assert hasattr(diffusers, family.pipeline)
    assert hasattr(diffusers, family.image_model[1])
    assert family.consumes
    assert family.readers
