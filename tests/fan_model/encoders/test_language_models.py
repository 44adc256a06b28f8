"""The engine on classes that no family has yet: what a row of the table can rely on."""

import pytest
import torch
import transformers as tf
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLTextConfig

from fan_model.encoders.language_models import ForwardRun, LanguageModel, running, stack_of
from fan_model.method.attention import personalized_shares
from tests.fan_model.language_pipelines import DECODER, sharp

AXES = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}}
WINDOW = {"sliding_window": 6, "query_pre_attn_scalar": 8}
MODELS = {
    "Llama": (tf.LlamaModel, tf.LlamaConfig, {}),
    "Mistral with a window": (tf.MistralModel, tf.MistralConfig, {"sliding_window": 6}),
    "Gemma 3 with two rotary bases": (tf.Gemma3TextModel, tf.Gemma3TextConfig, WINDOW),
    "GLM with partial rotation": (tf.GlmModel, tf.GlmConfig, {"partial_rotary_factor": 0.5}),
    "SmolLM3 with layers without places": (tf.SmolLM3Model, tf.SmolLM3Config, {"no_rope_layer_interval": 2}),
    "Qwen3-VL with three axes": (tf.Qwen3VLTextModel, Qwen3VLTextConfig, AXES),
    "BERT": (tf.BertModel, tf.BertConfig, {}),
}
CLOSE = {"rtol": 0, "atol": 2e-5}
TARGET, SHORTER, LONGER = (list(range(start, start + size)) for start, size in ((5, 12), (60, 4), (30, 25)))


@pytest.fixture(scope="module", params=MODELS)
def models(request):
    """The engine, and the model with its own attention."""
    kind, config, extra = MODELS[request.param]
    torch.manual_seed(1)
    own = sharp(kind(config(**DECODER | {"num_hidden_layers": 4} | extra)))
    return LanguageModel(own, is_causal=request.param != "BERT"), own


def states_of(model, token_ids, run):
    with running(run):
        return model.forward(torch.tensor([token_ids]), slice(0, len(token_ids))).hidden_states


def record(model, token_ids):
    run = ForwardRun(records=True)
    states_of(model, token_ids, run)
    return run.recording(0)


def personalized(model, references, alpha=0.5, skip_layers=(0,)):
    sources = [record(model, one) for one in (TARGET, *references)]
    shares = personalized_shares([1 / len(references)] * len(references), alpha)
    return states_of(model, TARGET, ForwardRun(sources, shares, skip_layers))


@torch.no_grad()
def test_plain_states_are_the_models_own(models):
    model, own = models
    expected = stack_of(own)(input_ids=torch.tensor([TARGET]), output_hidden_states=True).hidden_states
    for one, other in zip(states_of(model, TARGET, ForwardRun()), expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_references_equal_to_the_target_and_alpha_0_change_nothing(models):
    model, _ = models
    plain = states_of(model, TARGET, ForwardRun())[-1]
    torch.testing.assert_close(personalized(model, [TARGET] * 2, alpha=0.8)[-1], plain, **CLOSE)
    torch.testing.assert_close(personalized(model, [SHORTER, LONGER], alpha=0.0)[-1], plain, **CLOSE)


def test_references_of_any_length_move_finite_states(models):
    model, _ = models
    plain = states_of(model, TARGET, ForwardRun())[-1]
    for reference in (SHORTER, LONGER, LONGER[:1]):
        moved = personalized(model, [reference])[-1]
        assert torch.isfinite(moved).all()
        assert (moved - plain).abs().max() > 1e-3


def test_the_order_of_references_changes_nothing(models):
    model, _ = models
    one, other = (personalized(model, order)[-1] for order in ([SHORTER, LONGER], [LONGER, SHORTER]))
    torch.testing.assert_close(one, other, **CLOSE)
