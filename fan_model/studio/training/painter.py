"""The painter: a U-Net that turns noise into latents, led by the reader's token states.

v-prediction (Salimans and Ho 2022) with a noise schedule that ends in pure noise (Lin et al. 2024) and losses
weighted by clipped signal-to-noise (Hang et al. 2023).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from fan_model.studio.posters.captions import EVERYDAY, LOOSE, Wording, write_caption
from fan_model.studio.training.course import Course, Report, half_precision, train
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import LATENT_CELLS, LATENT_CHANNELS, Recipe
from fan_model.studio.training.tokens import tokenize

SCHEDULE = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
"""Of the noise, in training and in drawing."""
MAX_SNR = 5.0
EMPTY_PROMPTS = 0.1
"""Share of captions that are left out, so that guidance has something to lead away from."""
HIDDEN_WORDS = 0.6
"""Share of captions of which words are hidden in the polish: what they say is then read from the end token
and padding behind it. That is where a fused taste speaks: the words of the target do not name it."""


def make_painter(seed: int, device: torch.device) -> UNet2DConditionModel:
    """Return an untrained U-Net of 9 million weights."""
    torch.manual_seed(seed)
    down, cross_down = "DownBlock2D", "CrossAttnDownBlock2D"
    up, cross_up = "UpBlock2D", "CrossAttnUpBlock2D"
    return UNet2DConditionModel(
        sample_size=LATENT_CELLS,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(80, 128, 160),
        down_block_types=(down, cross_down, cross_down),
        up_block_types=(cross_up, cross_up, up),
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=16,
    ).to(device, memory_format=torch.channels_last)


@dataclass(frozen=True)
class Lessons:
    """What a painter learns from, and where."""

    recipe: Recipe
    seed: int
    latents: Tensor
    """[num_posters, 16, 16, 16]"""
    posters: PosterSet
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    device: torch.device
    folder: Path
    report: Report

    def train(self, painter: UNet2DConditionModel) -> None:
        """Train the U-Net on the posters' latents and captions worded anew in every batch."""
        train(self._course(), painter, self._loss(painter, first=0), self.folder, self.report)

    def polish(self, painter: UNet2DConditionModel) -> None:
        """Train it further, on other wordings and with words hidden."""
        polish = replace(
            self._course(),
            name="polish",
            seed=self.seed + 1,
            num_steps=self.recipe.polish_steps,
            learning_rate=self.recipe.polish_learning_rate,
        )
        loss = self._loss(painter, self.recipe.painter_steps, LOOSE, HIDDEN_WORDS)
        train(polish, painter, loss, self.folder, self.report)

    def _course(self) -> Course:
        return Course(
            "painter",
            self.seed,
            self.recipe.painter_steps,
            self.recipe.painter_learning_rate,
            beta2=0.99,
            hold=0.2,
            ema_decay=self.recipe.ema_decay,
        )

    def _loss(
        self,
        painter: UNet2DConditionModel,
        first: int,
        wording: Wording = EVERYDAY,
        hidden: float = 0.0,
    ) -> Callable[[int], Tensor]:
        """Return the loss by step; `first` is the number of steps that were taken before these."""
        signal = DDPMScheduler(**SCHEDULE).alphas_cumprod.to(self.device)
        text_encoder = torch.nn.Module.to(self.text_encoder, self.device).eval().requires_grad_(False)

        def loss(step: int) -> Tensor:
            clean, tokens = self._batch(first + step, wording)
            times, noise = _times(len(clean), self.device), torch.randn_like(clean)
            share = signal[times].view(-1, 1, 1, 1)
            noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
            velocity = share.sqrt() * noise - (1 - share).sqrt() * clean
            with half_precision(self.device):
                states = text_encoder(input_ids=tokens).last_hidden_state
                states = hide_words(states, tokens == self.tokenizer.eos_token_id, hidden)
                (guess,) = painter(
                    noisy.contiguous(memory_format=torch.channels_last), times, states, return_dict=False
                )
            errors = (guess.float() - velocity).square().mean((1, 2, 3))
            return (_weights(signal[times]) * errors).mean()

        return loss

    def _batch(self, step: int, wording: Wording) -> tuple[Tensor, Tensor]:
        """Return latents and token ids of a step."""
        chance = np.random.default_rng([self.seed, step])
        indices = chance.integers(self.posters.num_posters, size=self.recipe.painter_batch)
        captions = _captions(self.posters, indices, Random(f"{self.seed}/{step}"), wording)
        clean = self.latents[torch.from_numpy(indices)].to(self.device).float()
        return clean, tokenize(self.tokenizer, captions).to(self.device)


def hide_words(states: Tensor, is_end: Tensor, share: float) -> Tensor:
    """Put the end token's state in the place of some words' states.

    Args:
        states: [N, n, d] token states.
        is_end: [N, n] the end token and the padding after it.
        share: share of the texts of which words are hidden, each text at a rate of its own.

    Returns:
        [N, n, d]
    """
    if not share:
        return states
    num_texts = len(states)
    rates = torch.rand(num_texts, 1, device=states.device)
    rates = rates * (torch.rand(num_texts, 1, device=states.device) < share)
    is_word = ~is_end
    is_word[:, 0] = False  # the start token says nothing
    hidden = is_word & (torch.rand(is_end.shape, device=states.device) < rates)
    ends = states[torch.arange(num_texts), is_end.int().argmax(-1)]
    return torch.where(hidden[..., None], ends[:, None], states)


def _captions(posters: PosterSet, indices: np.ndarray, random: Random, wording: Wording) -> list[str]:
    captions = [write_caption(posters.spec(int(index)), random, wording) for index in indices]
    return ["" if random.random() < EMPTY_PROMPTS else caption for caption in captions]


def _times(size: int, device: torch.device) -> Tensor:
    """Return one time in each of `size` equal slices of 0..999: less chance than independent times."""
    slices = (torch.arange(size, device=device) + torch.rand(size, device=device)) / size
    return (slices * 1000).long().clamp(max=999)


def _weights(signal: Tensor) -> Tensor:
    """Weigh by signal-to-noise, clipped at 5; pure noise, whose ratio is 0, still counts a little."""
    snr = signal / (1 - signal)
    return (snr.clamp(max=MAX_SNR) / (snr + 1)).clamp(min=0.08)
