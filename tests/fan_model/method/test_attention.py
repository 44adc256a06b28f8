"""The attention that records: the very attention of the model, its masks included."""

import copy

import pytest
import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from fan_model.method.attention import RECORDING
from tests.fan_model.pipelines import clip_text_model, t5_model

MODELS = {"CLIP": clip_text_model(), "T5": t5_model().encoder}
IDS = torch.randint(3, 60, (2, 12), generator=torch.Generator().manual_seed(0))
PADDING = torch.tensor([[1] * 12, [1] * 7 + [0] * 5])


@torch.no_grad()
def states(model, attention_mask):
    return model(input_ids=IDS, attention_mask=attention_mask).last_hidden_state


def recording(model):
    twin = copy.deepcopy(model)
    twin.set_attn_implementation(RECORDING)
    return twin


def test_the_recording_attention_has_its_entry_among_the_masks():
    assert ALL_MASK_ATTENTION_FUNCTIONS[RECORDING] is ALL_MASK_ATTENTION_FUNCTIONS["sdpa"]


@pytest.mark.parametrize("attention_mask", [None, PADDING], ids=["without padding", "with padding"])
@pytest.mark.parametrize("family", MODELS)
def test_recording_keeps_the_models_masks(family, attention_mask):
    model = MODELS[family]
    seen = PADDING.bool() if attention_mask is not None else torch.ones_like(PADDING).bool()
    recorded, own = states(recording(model), attention_mask), states(model, attention_mask)
    torch.testing.assert_close(recorded[seen], own[seen], rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", MODELS)
def test_padding_is_seen_by_nobody_when_it_is_masked(family):
    model = recording(MODELS[family])
    others = IDS.clone()
    others[1, 7:] = 5
    with torch.no_grad():
        one, other = (
            model(input_ids=ids, attention_mask=PADDING).last_hidden_state[1, :7] for ids in (IDS, others)
        )
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_a_token_of_clip_sees_no_later_one():
    model = recording(MODELS["CLIP"])
    others = IDS.clone()
    others[:, 6:] = 5
    with torch.no_grad():
        one, other = (model(input_ids=ids).last_hidden_state[:, :6] for ids in (IDS, others))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
