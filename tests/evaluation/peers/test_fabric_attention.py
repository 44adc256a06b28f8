"""What the UNet is told of reference pictures, and when it reads them."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, HeunDiscreteScheduler, UNet2DConditionModel

from evaluation.peers.fabric import Fabric
from evaluation.peers.fabric_attention import Feedback, attend_to_pictures
from evaluation.testing.peer_contract import make_case
from fan_model.encoders.conditions import Condition
from fan_model.loading.kernels import watch_decoding
from tests.evaluation.peers.peer_cases import make_artist, share_image_model
from tests.fan_model.pipelines import stable_diffusion, stable_diffusion_xl

NOTHING = Condition.of_states(torch.zeros(1, 24, 32))


@dataclass
class Call:
    """What one call of a UNet was told."""

    sample: torch.Tensor
    states: torch.Tensor
    pooled: torch.Tensor | None


@pytest.fixture
def unet_calls(monkeypatch):
    """All calls of UNets, in their order."""
    calls, forward = [], UNet2DConditionModel.forward

    def noting(self, sample, timestep, encoder_hidden_states, **others):
        added = others.get("added_cond_kwargs") or {}
        calls.append(Call(sample, encoder_hidden_states, added.get("text_embeds")))
        return forward(self, sample, timestep, encoder_hidden_states, **others)

    monkeypatch.setattr(UNet2DConditionModel, "forward", noting)
    return calls


def draw_with_one_reference(image_model, unet_calls):
    """Draw a picture, and leave no calls but those of drawing it: its reference is drawn before."""
    peer = Fabric(last_share=0.5)
    request = peer.plan(make_case(image_model.artist, texts=("ox, red ink",)))
    peer.draw(image_model, [request])
    unet_calls.clear()
    peer.draw(image_model, [request])


def test_weight_1_gives_a_reference_the_attention_of_the_pictures_own_positions():
    feedback = Feedback(torch.zeros(2, 4, 8, 8), NOTHING, (1.0, -0.5), 10, 0.5, is_guided=True)
    bias = feedback.bias(num_rows=2, length=3, positions=2)
    unconditional, conditional = bias[:, 0].tolist()
    assert conditional == [0, 0, 0, 0, 0, -np.inf, -np.inf]
    assert unconditional == pytest.approx([0, 0, 0, -np.inf, -np.inf, np.log(0.5), np.log(0.5)])


def test_weights_and_steps_are_those_of_the_authors_tool():
    peer = Fabric()
    assert (peer.liked_weight, peer.disliked_weight, peer.last_share) == (0.8, 0.4, 0.8)


@pytest.mark.parametrize(
    ("scheduler", "calls", "read"), [(DDIMScheduler, 4, 2), (HeunDiscreteScheduler, 7, 4)]
)
def test_references_are_read_in_the_first_share_of_the_steps_whatever_a_step_is(
    unet_calls, scheduler, calls, read
):
    pipeline = stable_diffusion()
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    draw_with_one_reference(share_image_model(make_artist(pipeline), num_inference_steps=4), unet_calls)
    rows = [len(call.sample) for call in unet_calls]
    assert rows == [1, 2] * read + [2] * (calls - read)


@pytest.mark.parametrize("options", [{"guidance_scale": 1}, {"negative_prompt": "a bog"}])
@pytest.mark.parametrize("make_pipeline", [stable_diffusion, stable_diffusion_xl])
def test_references_go_through_the_unet_under_the_empty_text(unet_calls, make_pipeline, options):
    image_model = share_image_model(make_artist(make_pipeline()), **options)
    draw_with_one_reference(image_model, unet_calls)
    nothing, reading = image_model.encode_nothing(), unet_calls[0]
    torch.testing.assert_close(reading.states, nothing.prompt_embeds)
    torch.testing.assert_close(reading.pooled, nothing.pooled_prompt_embeds)


def test_text_encoder_unet_and_autoencoder_may_have_number_types_of_their_own(unet_calls):
    pipeline = stable_diffusion()
    pipeline.text_encoder.to(torch.bfloat16)
    pipeline.vae.to(torch.float64)
    watch_decoding(pipeline.vae)
    draw_with_one_reference(share_image_model(make_artist(pipeline)), unet_calls)
    assert {tensor.dtype for call in unet_calls for tensor in (call.sample, call.states)} == {torch.float32}


def test_every_step_brings_references_to_its_noise_by_a_chance_of_its_own(unet_calls):
    pipeline = stable_diffusion()
    pipeline.scheduler.set_timesteps(4)
    feedback = Feedback(torch.zeros(1, 4, 8, 8), NOTHING, (1.0,), 4, 1.0, is_guided=True)
    unet = attend_to_pictures(pipeline, feedback).unet
    for _ in range(2):
        unet(torch.zeros(2, 4, 8, 8), pipeline.scheduler.timesteps[0], torch.zeros(2, 24, 32))
    one, _, other, _ = unet_calls
    assert (one.sample - other.sample).abs().max() > 0.1
