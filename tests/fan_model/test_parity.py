"""Golden numbers of the published implementation; FAN_PARITY_DIR names another folder of the same format."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPModel, T5EncoderModel

from fan_model.encoders.class_token import ClassTokenDetector
from fan_model.encoders.personalized_encoders import (
    ClipEncoder,
    ClipVisionEncoder,
    Encoder,
    Preference,
    T5Encoder,
    first_personalized_layer,
)
from fan_model.method.crowd_contrast import normalize_weights
from fan_model.method.profiling import ReferenceVectors, count_references, select_references
from tests.fan_model.parity_folders import parity_cases

FOLDER, CASES = parity_cases("parity", lambda case: case.get("kind") == "clip_text")
TOLERANCE = {"rtol": 0, "atol": 1e-5}


def cases_of(kind, array=None):
    found = [case for case in CASES if case["kind"] == kind and (array is None or array in case["arrays"])]
    return pytest.mark.parametrize("case", found, ids=[case["name"] for case in found])


@pytest.fixture(scope="module")
def tensors():
    return load_file(FOLDER / "cases.safetensors")


@pytest.fixture(scope="module")
def clip():
    return CLIPModel.from_pretrained(FOLDER / "clip").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def detector():
    return ClassTokenDetector.load(FOLDER / "class_token_decoder.pth")


def arrays_of(case, tensors):
    return {name: tensors[f"{case['name']}/{name}"] for name in case["arrays"]}


def skipped_layers(params):
    skipped = params.get("skip_pa")
    return () if skipped is None else (skipped,) if isinstance(skipped, int) else tuple(skipped)


def weights_of(arrays, references):
    weights = arrays.get("weight", torch.ones(references.shape[:2]))
    return [normalize_weights(row.tolist()) for row in weights]


def personalized_states(encoder: Encoder, targets, references, weights, params):
    skip_layers = skipped_layers(params)
    first_layer = first_personalized_layer(skip_layers)
    preferences = [
        Preference(target, encoder.record(of_target, first_layer=first_layer), of_weights)
        for target, of_target, of_weights in zip(
            encoder.record(targets, first_layer=first_layer), references, weights, strict=True
        )
    ]
    return encoder.personalize(preferences, alpha=params["alpha"], skip_layers=skip_layers)


def text_states(encoder, case, arrays):
    weights = weights_of(arrays, arrays["ref_ids"])
    return personalized_states(encoder, arrays["target_ids"], arrays["ref_ids"], weights, case["params"])


@cases_of("clip_text", "hidden")
def test_clip_text_states_are_the_published_ones(case, tensors, clip):
    arrays, encoder = arrays_of(case, tensors), ClipEncoder(clip.text_model)
    states = text_states(encoder, case, arrays)[case["params"].get("skip", -1)]
    if case["params"].get("normalize", True):
        states = encoder.normalize(states)
    torch.testing.assert_close(states, arrays["hidden"], **TOLERANCE)


def read_by_detector(encoder, detector, states):
    positions = detector.find(states)
    return encoder.normalize(states)[torch.arange(len(states)), positions]


@cases_of("clip_text", "pooled")
def test_pooled_states_read_by_the_detector_are_the_published_ones(case, tensors, clip, detector):
    arrays, encoder = arrays_of(case, tensors), ClipEncoder(clip.text_model)
    pooled = read_by_detector(encoder, detector, text_states(encoder, case, arrays)[-1])
    torch.testing.assert_close(pooled, arrays["pooled"], **TOLERANCE)


@cases_of("clip_text_feature")
def test_text_features_are_the_published_ones(case, tensors, clip, detector):
    arrays, encoder = arrays_of(case, tensors), ClipEncoder(clip.text_model)
    pooled = read_by_detector(encoder, detector, text_states(encoder, case, arrays)[-1])
    torch.testing.assert_close(clip.text_projection(pooled), arrays["feature"], **TOLERANCE)


@cases_of("clip_image")
def test_image_states_and_features_are_the_published_ones(case, tensors, clip):
    arrays, encoder = arrays_of(case, tensors), ClipVisionEncoder(clip.vision_model)
    weights = weights_of(arrays, arrays["ref_pixels"])
    states = personalized_states(
        encoder, arrays["target_pixels"], arrays["ref_pixels"], weights, case["params"]
    )[-1]
    pooled = encoder.normalize(states[:, 0])
    torch.testing.assert_close(states, arrays["hidden"], **TOLERANCE)
    torch.testing.assert_close(pooled, arrays["pooled"], **TOLERANCE)
    torch.testing.assert_close(clip.visual_projection(pooled), arrays["feature"], **TOLERANCE)


@cases_of("t5_text")
def test_t5_states_are_the_published_ones(case, tensors):
    arrays = arrays_of(case, tensors)
    encoder = T5Encoder(T5EncoderModel.from_pretrained(FOLDER / "t5").encoder)
    torch.testing.assert_close(text_states(encoder, case, arrays)[-1], arrays["hidden"], **TOLERANCE)


@cases_of("profile")
def test_profiles_are_the_published_ones_index_for_index(case, tensors):
    arrays = {name: array.numpy() for name, array in arrays_of(case, tensors).items()}
    history_size = arrays["context"].shape[1]
    weights = arrays.get("weight", np.ones(arrays["context"].shape[:2], np.float32))
    wanted = case["params"]["sample_size"]
    size = {"fraction": wanted} if isinstance(wanted, float) else {"count": wanted}
    selected = [
        select_references(
            ReferenceVectors.of_tokens(target[None]),
            ReferenceVectors.of_tokens(context),
            of_weights,
            num_references=count_references(history_size, **size),
        ).indices
        for target, context, of_weights in zip(arrays["target"], arrays["context"], weights, strict=True)
    ]
    np.testing.assert_array_equal(selected, arrays["indices"])
