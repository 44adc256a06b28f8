"""Personalized attention is its formula; the attention that records is the model's own, masks included."""

import copy

import pytest
import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from fan_model.method.attention import RECORDING, Attention, contrasted_attention, personalized_attention
from fan_model.method.attention import recording as recording_in
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


NUM_TOKENS, HEADS, WIDTH = 100, 2, 8
"""More tokens than a block has queries."""


def random_tensor(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def keys_and_values(seed):
    return random_tensor(seed, HEADS, NUM_TOKENS, WIDTH), random_tensor(seed + 1, HEADS, NUM_TOKENS, WIDTH)


QUERY, TARGET = random_tensor(0, HEADS, NUM_TOKENS, WIDTH), keys_and_values(1)
REFERENCES = [keys_and_values(3), keys_and_values(5)]
LATER = torch.ones(NUM_TOKENS, NUM_TOKENS).triu(diagonal=1).bool()
CASES = {
    "causal": (
        Attention.build(
            NUM_TOKENS, scaling=0.3, bias=random_tensor(7, 1, NUM_TOKENS, NUM_TOKENS), is_causal=True
        ),
        0.3,
        True,
    ),
    "not causal": (
        Attention.build(
            NUM_TOKENS, scaling=1.0, bias=random_tensor(7, HEADS, NUM_TOKENS, NUM_TOKENS), is_causal=False
        ),
        1.0,
        False,
    ),
}


def plainly(source, scaling, is_causal):
    """softmax(Q K' / sqrt(d)) V, written out."""
    key, value = source
    heads = 1 if is_causal else HEADS
    scores = scaling * QUERY @ key.mT + random_tensor(7, heads, NUM_TOKENS, NUM_TOKENS)
    return (scores.masked_fill(LATER, -torch.inf) if is_causal else scores).softmax(dim=-1) @ value


@pytest.mark.parametrize("case", CASES)
def test_blocks_of_queries_change_nothing(case):
    attention, scaling, is_causal = CASES[case]
    expected = 0.25 * plainly(TARGET, scaling, is_causal) + 2 * plainly(REFERENCES[0], scaling, is_causal)
    torch.testing.assert_close(attention.weighted_sum(QUERY, [TARGET, REFERENCES[0]], [0.25, 2.0]), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_target_and_the_weighted_references_share_the_attention(case, alpha):
    attention, *how = CASES[case]
    expected = (1 - alpha) * plainly(TARGET, *how)
    for reference, weight in zip(REFERENCES, (0.8, 0.2), strict=True):
        expected = expected + alpha * weight * plainly(reference, *how)
    found = personalized_attention(QUERY, TARGET, REFERENCES, [0.8, 0.2], alpha, attention)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("case", CASES)
def test_without_references_the_target_attends_itself_at_every_alpha(case):
    attention, *how = CASES[case]
    found = personalized_attention(QUERY, TARGET, [], [], 0.9, attention)
    torch.testing.assert_close(found, plainly(TARGET, *how))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("strength", [0.0, 0.7, 2.0])
def test_a_contrast_adds_what_references_have_beyond_the_crowd(case, strength):
    attention, *how = CASES[case]
    apart = (
        0.75 * plainly(REFERENCES[0], *how)
        - 0.5 * plainly(REFERENCES[1], *how)
        - 0.25 * plainly(TARGET, *how)
    )
    found = contrasted_attention(
        QUERY, TARGET, [*REFERENCES, TARGET], [0.75, -0.5, -0.25], strength, attention
    )
    torch.testing.assert_close(found, plainly(TARGET, *how) + strength * apart)


def test_a_block_of_causal_queries_is_given_no_later_keys():
    blocks = [(rows, keys) for rows, keys, _ in CASES["causal"][0].blocks]
    assert len(blocks) > 1
    assert all(keys.stop == rows.stop for rows, keys in blocks)
    assert all(keys.stop == NUM_TOKENS for _, keys, _ in CASES["not causal"][0].blocks)


def test_another_device_takes_all_queries_at_once():
    bias = torch.zeros(1, NUM_TOKENS, NUM_TOKENS, device="meta")
    assert len(Attention.build(NUM_TOKENS, scaling=1.0, bias=bias, is_causal=False).blocks) == 1


def test_a_weight_too_many_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        CASES["causal"][0].weighted_sum(QUERY, [TARGET], [0.5, 0.5])


def test_what_is_recorded_is_each_layers_keys_and_values():
    model, recorder = recording(MODELS["CLIP"]), []
    with torch.no_grad():
        model(input_ids=IDS, recorder=recorder)
    layer = model.encoder.layers[0] if hasattr(model, "encoder") else model.text_model.encoder.layers[0]
    assert len(recorder) == model.config.num_hidden_layers
    assert all(key.shape == value.shape == (2, 4, 12, 8) for key, value in recorder)
    with torch.no_grad():
        embedded = (model if hasattr(model, "embeddings") else model.text_model).embeddings(IDS)
        normed = layer.layer_norm1(embedded)
        key, value = (
            projection(normed).view(2, 12, 4, 8).transpose(1, 2)
            for projection in (layer.self_attn.k_proj, layer.self_attn.v_proj)
        )
    torch.testing.assert_close(recorder[0], (key, value))


def test_what_is_recorded_in_a_block_goes_to_its_recorder_and_nothing_does_after_it():
    model, around, own = recording(MODELS["CLIP"]), [], []
    layers = model.config.num_hidden_layers
    with torch.no_grad():
        with recording_in(around):
            model(input_ids=IDS)
            model(input_ids=IDS, recorder=own)
        assert (len(around), len(own)) == (layers, layers)
        model(input_ids=IDS)
    assert len(around) == layers
