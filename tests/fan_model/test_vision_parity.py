"""Golden numbers of the published implementation for image towers; see their README.

FAN_PARITY_DIR names another folder of the same format.
"""

import numpy as np
import pytest
import torch
from diffusers import StableUnCLIPImg2ImgPipeline
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPVisionModelWithProjection, LlavaForConditionalGeneration

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.personalized_encoders import (
    ClipVisionEncoder,
    Preference,
    first_personalized_layer,
)
from fan_model.image_references.image_profile import ImageProfile
from fan_model.image_references.image_towers import ProjectedClip
from fan_model.method.crowd_contrast import normalize_weights
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.profiling import ReferenceVectors, count_references, select_references
from tests.fan_model.parity_folders import parity_cases
from tests.fan_model.test_parity import skipped_layers

FOLDER, CASES = parity_cases("parity-vision", lambda case: case.get("kind") == "vision")
TOLERANCE = {"rtol": 0, "atol": 1e-5}


def cases_of(*kinds):
    found = [case for case in CASES if case["kind"] in kinds]
    return pytest.mark.parametrize("case", found, ids=[case["name"] for case in found])


@pytest.fixture(scope="module")
def tensors():
    return load_file(FOLDER / "cases.safetensors")


@pytest.fixture(scope="module")
def tower():
    return CLIPVisionModelWithProjection.from_pretrained(FOLDER / "unclip" / "image_encoder").eval()


@pytest.fixture(scope="module")
def pipeline():
    pipeline = StableUnCLIPImg2ImgPipeline.from_pretrained(FOLDER / "unclip", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def arrays_of(case, tensors):
    """Its arrays; pixels are stored in halves, and are exact."""
    found = {name: tensors[f"{case['name']}/{name}"] for name in case["arrays"]}
    return {name: array.float() if name.endswith("pixels") else array for name, array in found.items()}


def personalize(stack, targets, references, weights, params):
    """Hidden states of targets [b, c, s, s] with references [b, r, c, s, s], from `first_layer` on."""
    encoder, skip_layers = ClipVisionEncoder(stack), skipped_layers(params)
    first_layer = first_personalized_layer(skip_layers)
    preferences = [
        Preference(target, encoder.record(liked, first_layer=first_layer), normalize_weights(of_weights))
        for target, liked, of_weights in zip(
            encoder.record(targets, first_layer=first_layer), references, weights, strict=True
        )
    ]
    return encoder, encoder.personalize(preferences, alpha=params["alpha"], skip_layers=skip_layers)


def weights_of(arrays):
    references = arrays["ref_pixels"]
    return arrays.get("weight", torch.ones(references.shape[:2])).tolist()


@torch.no_grad()
def embed(tower, encoder, states):
    return tower.visual_projection(encoder.normalize(states[-1][:, 0]))


@cases_of("vision")
def test_states_and_embeddings_of_images_are_the_published_ones(case, tensors, tower):
    arrays, params = arrays_of(case, tensors), case["params"]
    encoder, states = personalize(
        tower.vision_model, arrays["target_pixels"], arrays["ref_pixels"], weights_of(arrays), params
    )
    hidden = encoder.normalize(states[params["skip"]]) if params["normalize"] else states[params["skip"]]
    torch.testing.assert_close(hidden, arrays["hidden"], **TOLERANCE)
    torch.testing.assert_close(encoder.normalize(states[-1][:, 0]), arrays["pooled"], **TOLERANCE)
    torch.testing.assert_close(embed(tower, encoder, states), arrays["image_embeds"], **TOLERANCE)


@cases_of("vision_profile")
def test_profiled_images_are_the_published_ones_index_for_index(case, tensors, tower):
    arrays, params = arrays_of(case, tensors), case["params"]
    encoder = ClipVisionEncoder(tower.vision_model)
    weights = weights_of(arrays)
    chosen = []
    for target, liked, of_weights in zip(arrays["target_pixels"], arrays["ref_pixels"], weights, strict=True):
        vectors = [
            ReferenceVectors.of_tokens(encoder.encode(one)[-1].numpy()) for one in (target[None], liked)
        ]
        size = count_references(len(liked), fraction=params["sample_size"])
        chosen.append(select_references(*vectors, of_weights, num_references=size).indices)
    np.testing.assert_array_equal(chosen, arrays["indices"])
    kept = [liked[places] for liked, places in zip(arrays["ref_pixels"], chosen, strict=True)]
    of_kept = [[of[place] for place in places] for of, places in zip(weights, chosen, strict=True)]
    encoder, states = personalize(tower.vision_model, arrays["target_pixels"], kept, of_kept, params)
    torch.testing.assert_close(embed(tower, encoder, states), arrays["image_embeds"], **TOLERANCE)


@cases_of("readme")
def test_the_published_readmes_call_gives_its_embedding(case, tensors, tower, pipeline):
    arrays = arrays_of(case, tensors)
    images = [Image.fromarray(arrays[name].numpy()) for name in ("target_rgb", "ref_rgb_0")]
    pixels = pipeline.feature_extractor(images, return_tensors="pt").pixel_values
    weights = arrays["weight"].reshape(1, -1).tolist()
    encoder, states = personalize(tower.vision_model, pixels[:1], pixels[None, 1:], weights, case["params"])
    torch.testing.assert_close(embed(tower, encoder, states), arrays["image_embeds"], **TOLERANCE)


@cases_of("unclip")
def test_unclip_draws_the_published_picture_of_a_personalized_embedding(case, tensors, pipeline):
    arrays, params = arrays_of(case, tensors), case["params"]
    pictures = [arrays["target_rgb"], *(arrays[f"ref_rgb_{place}"] for place in range(3))]
    images = [Image.fromarray(picture.numpy()) for picture in pictures]
    pixels = pipeline.feature_extractor(images, return_tensors="pt").pixel_values
    torch.testing.assert_close(pixels[:1], arrays["target_pixels"].reshape(pixels[:1].shape), **TOLERANCE)
    tower = ProjectedClip(pipeline.image_encoder, pipeline.feature_extractor, KeyValueCache(2**24))
    how = ImagePersonalization(
        method="attention", alpha=params["alpha"], skip_layers=tuple(skipped_layers(params))
    )
    profile = ImageProfile.of(images[0], images[1:], arrays["weight"].flatten().tolist(), how=how)
    embeds = tower.personalize([profile])
    torch.testing.assert_close(embeds, arrays["image_embeds"], **TOLERANCE)
    torch.testing.assert_close(tower.embed([profile.target]), arrays["plain_image_embeds"], **TOLERANCE)
    names = ("prompt", "noise_level", "guidance_scale", "num_inference_steps", "height", "width")
    drawn = pipeline(
        image_embeds=embeds,
        generator=torch.Generator().manual_seed(params["seed"]),
        output_type="np",
        **{name: params[name] for name in names},
    ).images
    np.testing.assert_allclose(drawn, arrays["image"].numpy(), rtol=0, atol=1e-5)


@cases_of("llava")
def test_what_a_vision_language_model_looks_through_is_the_published_tower(case, tensors):
    arrays = arrays_of(case, tensors)
    llava = LlavaForConditionalGeneration.from_pretrained(FOLDER / "llava").eval()
    vision = llava.model.vision_tower
    _, states = personalize(
        getattr(vision, "vision_model", vision),
        arrays["target_pixels"],
        arrays["ref_pixels"],
        weights_of(arrays),
        case["params"],
    )
    torch.testing.assert_close(states[-2], arrays["hidden"], **TOLERANCE)
