"""Golden numbers of an independent, slow statement of the method for decoders; see its README.

FAN_PARITY_DIR names another folder of the same format.
"""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from fan_model.encoders.language_models import ForwardRun, LanguageModel, running
from fan_model.method.attention import personalized_shares
from fan_model.method.crowd_contrast import normalize_weights
from tests.fan_model.parity_folders import parity_cases

FOLDER, CASES = parity_cases("parity-decoder", lambda case: "num_prefix_tokens" in case.get("params", {}))
STATES = {"hidden_last": -1, "hidden_penultimate": -2, "hidden_middle": 2}
TOLERANCE = {"rtol": 0, "atol": 2e-5}


@pytest.fixture(scope="module")
def tensors():
    return load_file(FOLDER / "cases.safetensors")


@pytest.fixture(scope="module")
def models():
    families = {case["family"] for case in CASES}
    return {
        family: LanguageModel(AutoModel.from_pretrained(FOLDER / family), is_causal=True)
        for family in families
    }


def run_through(model, token_ids, run):
    with running(run):
        return model.forward(token_ids[None], slice(0, len(token_ids)))


def record(model, token_ids, first_layer=0):
    run = ForwardRun(records=True)
    run_through(model, token_ids, run)
    return run.recording(first_layer)


def personalize(model, target, references, weights, params, first_layer=0):
    sources = [record(model, one, first_layer) for one in (target, *references)]
    shares = personalized_shares(normalize_weights(weights), params["alpha"])
    return run_through(model, target, ForwardRun(sources, shares, params["skip_layers"])).hidden_states


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_states_of_a_decoder_are_those_of_the_slow_statement(case, tensors, models):
    arrays = {
        name.split("/", 1)[1]: array for name, array in tensors.items() if name.startswith(case["name"] + "/")
    }
    references = [arrays[f"ref_ids_{place}"] for place in range(case["num_references"])]
    states = personalize(
        models[case["family"]],
        arrays["target_ids"],
        references,
        arrays["weight"].flatten().tolist(),
        case["params"],
    )
    for name, place in STATES.items():
        torch.testing.assert_close(
            states[place][0], arrays[name].reshape(states[place][0].shape), **TOLERANCE
        )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_beginning_is_kept_once_and_changes_nothing(case, tensors, models):
    model = models[case["family"]]
    ids = {
        name: tensors[f"{case['name']}/{name}"]
        for name in ("target_ids", *(f"ref_ids_{place}" for place in range(case["num_references"])))
    }
    whole = {name: record(model, one) for name, one in ids.items()}
    beginning = record(model, ids["target_ids"][: case["params"]["num_prefix_tokens"]])
    for recorded in whole.values():
        shared = recorded.share(beginning)
        assert shared.num_shared == case["params"]["num_prefix_tokens"]
        assert shared.num_bytes < recorded.num_bytes
        for layer in range(model.num_layers):
            for one, other in zip(shared.at(layer), recorded.at(layer), strict=True):
                torch.testing.assert_close(one, other, **TOLERANCE)
