"""A copy of a pipeline whose UNet reads reference pictures in its self-attention; see `fabric`.

The copy shares the weights and has layers of its own, so that the pipeline stays as it is.

Legend: b rows of the UNet (guided: unconditional, then conditional), r reference pictures, m positions of a
layer, c its width.
"""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from fan_model.encoders.conditions import Condition
from fan_model.loading.placement import without_encoders

SELF_ATTENTION = "attn1"
"""What diffusers calls it in every transformer block of a UNet."""
ADDED, TEXT_EMBEDS = "added_cond_kwargs", "text_embeds"
"""What diffusers calls what a UNet is told beside states, and the pooled state among it."""
NOISE_SEED = 20_230_719


@dataclass
class Feedback:
    """Reference pictures, and how they are read."""

    pictures: Tensor
    """[r, channels, height, width] latents."""
    nothing: Condition
    """Of the empty text, under which they go through the UNet."""
    weights: tuple[float, ...]
    """[r] above 0: read by the conditional rows; below 0: by the unconditional ones, as strongly."""
    num_steps: int
    last_share: float
    """Share of the UNet's calls, from the first, in which they are read."""
    is_guided: bool
    states: dict[str, Tensor] = field(default_factory=dict)
    """[r, m, c] what enters each self-attention layer, by the layer's name, in the present step."""
    is_reading: bool = False
    """Whether the references themselves are going through the UNet."""
    calls_done: int = 0

    def is_over(self, num_calls: int) -> bool:
        """Whether references are no longer read, of so many calls of the UNet."""
        return self.calls_done >= self.last_share * num_calls

    def bias(self, num_rows: int, length: int, positions: int) -> Tensor:
        """[b, 1, length + r positions] what is added to the scores of own and references' keys."""
        by_row = torch.tensor([self._logs(row, num_rows) for row in range(num_rows)])
        own = torch.zeros(num_rows, length)
        return torch.cat([own, by_row.repeat_interleave(positions, dim=1)], dim=1)[:, None]

    def _logs(self, row: int, num_rows: int) -> list[float]:
        """[r] the logarithm of each reference's weight for a row; minus infinity where it is not read."""
        sign = -1 if self.is_guided and row < num_rows // 2 else 1
        return [math.log(sign * weight) if sign * weight > 0 else -math.inf for weight in self.weights]


class _FeedbackProcessor:
    """Computes one self-attention layer: keeps what enters it, or reads what was kept."""

    def __init__(self, layer: str, feedback: Feedback) -> None:
        self._layer, self._feedback = layer, feedback
        self._attend = AttnProcessor2_0()

    def __call__(self, attn: Attention, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        feedback = self._feedback
        if feedback.is_reading:
            feedback.states[self._layer] = hidden_states
        if feedback.is_reading or self._layer not in feedback.states:
            own: Tensor = self._attend(attn, hidden_states)
            return own
        num_rows, length, width = hidden_states.shape
        references = feedback.states[self._layer]
        read = references.reshape(1, -1, width).expand(num_rows, -1, -1)
        bias = feedback.bias(num_rows, length, references.shape[1]).to(hidden_states)
        both: Tensor = self._attend(
            attn,
            hidden_states,
            encoder_hidden_states=torch.cat([hidden_states, read], dim=1),
            attention_mask=bias.repeat_interleave(attn.heads, dim=0),
        )
        return both


def attend_to_pictures(pipeline: DiffusionPipeline, feedback: Feedback) -> DiffusionPipeline:
    """The pipeline with a UNet that reads the pictures, for one call."""
    unet = _share_weights(pipeline.unet)
    for name, layer in unet.named_modules():
        if name.endswith(SELF_ATTENTION):
            layer.set_processor(_FeedbackProcessor(name, feedback))
    denoise = unet.forward
    scheduler = pipeline.scheduler
    # A scheduler of second order calls the UNet twice in most steps.
    num_calls = len(_new_scheduler(scheduler, feedback).timesteps)

    def forward(sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **others: Any) -> Any:  # noqa: ANN401
        feedback.states.clear()
        if not feedback.is_over(num_calls):
            count = len(feedback.pictures)
            feedback.is_reading = True
            denoise(
                _at_noise(scheduler, feedback, timestep).to(sample),
                timestep,
                feedback.nothing.prompt_embeds.to(encoder_hidden_states).expand(count, -1, -1),
                **_for_references(others, feedback.nothing, count),
            )
            feedback.is_reading = False
        feedback.calls_done += 1
        return denoise(sample, timestep, encoder_hidden_states, **others)

    unet.forward = forward
    own = without_encoders(pipeline)
    own.unet = unet
    return own


def _share_weights(unet: torch.nn.Module) -> Any:  # noqa: ANN401 - the UNet's own class
    """A UNet of the same weights, with layers of its own."""
    held = [*unet.parameters(), *unet.buffers()]
    return copy.deepcopy(unet, {id(tensor): tensor for tensor in held})


def _at_noise(scheduler: Any, feedback: Feedback, timestep: Tensor) -> Tensor:  # noqa: ANN401
    """The reference pictures at the noise level of a step, by noise of that step, as the UNet takes them."""
    own = _new_scheduler(scheduler, feedback)
    chance = torch.Generator("cpu").manual_seed(NOISE_SEED + feedback.calls_done)
    noise = torch.randn(feedback.pictures.shape, generator=chance).to(feedback.pictures)
    at = timestep.reshape(-1)[:1].expand(len(feedback.pictures))
    noisy: Tensor = own.scale_model_input(own.add_noise(feedback.pictures, noise, at), timestep)
    return noisy


def _new_scheduler(scheduler: Any, feedback: Feedback) -> Any:  # noqa: ANN401
    """A scheduler like the pipeline's, before its first step.

    One is made for each step: what it knows of the step before would be counted on otherwise.
    """
    own = type(scheduler).from_config(scheduler.config)
    own.set_timesteps(feedback.num_steps, device=feedback.pictures.device)
    return own


def _for_references(others: dict[str, Any], nothing: Condition, count: int) -> dict[str, Any]:
    """What else the UNet is told of its first row, for each reference; of a text, that it is empty."""
    told = dict(others)
    if told.get(ADDED):
        added = {key: value[:1] for key, value in told[ADDED].items()}
        if TEXT_EMBEDS in added and nothing.pooled_prompt_embeds is not None:
            added[TEXT_EMBEDS] = nothing.pooled_prompt_embeds.to(added[TEXT_EMBEDS])
        told[ADDED] = {key: value.expand(count, *value.shape[1:]) for key, value in added.items()}
    if told.get("timestep_cond") is not None:
        told["timestep_cond"] = told["timestep_cond"][:1].expand(count, -1)
    return told
