"""The painter: a U-Net that turns noise into latents, led by the reader's token states.

v-prediction (Salimans and Ho 2022) with a noise schedule that ends in pure noise (Lin et al. 2024) and losses
weighted by clipped signal-to-noise (Hang et al. 2023).
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from fan_model.studio.posters.captions import EVERYDAY, LOOSE, Wording
from fan_model.studio.training.course import Batch, Course, Deal, Report, half_precision, train
from fan_model.studio.training.poster_set import PosterSet
from fan_model.studio.training.recipe import LATENT_CELLS, LATENT_CHANNELS, Recipe
from fan_model.studio.training.tokens import tokenize
from fan_model.studio.training.worded_posters import word_posters

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
DRAWING_STEPS = 8
"""Steps that the distilled painter draws in; the polish dwells on their times already."""
GUIDANCE_SCALE = 3.5
"""What is distilled: how far the teacher is led away from the empty caption."""
MIXED_CONDITIONS = 0.5
"""Share of what is distilled whose condition lies between two captions: there a fused taste lies, and there
the distilled painter is to follow its teacher, too."""
FARTHEST_MIX = 0.6
"""How far from its own caption such a condition lies at most, 0..1."""
SEEN_SHARE = 0.6
"""Share of the polish's times that are those of a drawing."""


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


def even_times(size: int, device: torch.device) -> Tensor:
    """Return one time in each of `size` equal slices of 0..999: less chance than independent times."""
    slices = (torch.arange(size, device=device) + torch.rand(size, device=device)) / size
    return (slices * 1000).long().clamp(max=999)


def drawing_times(size: int, device: torch.device) -> Tensor:
    """Return times of a drawing's steps, the first ones most often: they decide what a poster shows."""
    steps = torch.arange(DRAWING_STEPS, device=device)
    return _times_of(steps)[torch.multinomial(0.8**steps, size, replacement=True)]


def seen_times(size: int, device: torch.device) -> Tensor:
    """Return times, most of them those of a drawing in few steps."""
    is_seen = torch.rand(size, device=device) < SEEN_SHARE
    return torch.where(is_seen, drawing_times(size, device), even_times(size, device))


def _times_of(steps: Tensor) -> Tensor:
    """Return the times of a drawing's steps, as the scheduler counts them with trailing timesteps."""
    return ((DRAWING_STEPS - steps) * 1000 / DRAWING_STEPS).round().long() - 1


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
        recipe = self.recipe
        course = self._course("painter", 0, recipe.painter_steps, recipe.painter_learning_rate)
        self._train(painter, course, _Manner())

    def polish(self, painter: UNet2DConditionModel) -> None:
        """Train it further, on other wordings and with words hidden."""
        recipe = self.recipe
        course = self._course("polish", 1, recipe.polish_steps, recipe.polish_learning_rate)
        self._train(painter, course, _Manner(LOOSE, HIDDEN_WORDS, seen_times))

    def distil(self, painter: UNet2DConditionModel) -> None:
        """Teach it to give by itself what it gives with guidance, at the times of a drawing."""
        recipe = self.recipe
        course = self._course("distil", 2, recipe.distil_steps, recipe.distil_learning_rate)
        manner = _Manner(
            LOOSE, HIDDEN_WORDS, drawing_times, empty=0.0, least_weight=0.25, mixed=MIXED_CONDITIONS
        )
        self._train(painter, course, manner, self._guided(deepcopy(painter)))

    def _course(self, name: str, place: int, num_steps: int, learning_rate: float) -> Course:
        """Return a course of the painter, with chances of its own by its place among them."""
        decay = self.recipe.ema_decay
        return Course(
            name, self.seed + place, num_steps, learning_rate, beta2=0.99, hold=0.2, ema_decay=decay
        )

    def _train(
        self,
        painter: UNet2DConditionModel,
        course: Course,
        manner: "_Manner",
        teach: "Teacher | None" = None,
    ) -> None:
        """Train towards the velocity of the noise, or towards what a teacher says of the noisy latents."""
        signal = DDPMScheduler(**SCHEDULE).alphas_cumprod.to(self.device)

        def loss(
            clean: Tensor, noise: Tensor, times: Tensor, tokens: Tensor, hidden: Tensor, shares: Tensor
        ) -> Tensor:
            share = signal[times].view(-1, 1, 1, 1)
            noisy = add_noise(clean, noise, share)
            states = mix_states(self.states(tokens, hidden), shares)
            with half_precision(self.device):
                (guess,) = painter(noisy, times, states, return_dict=False)
                wanted = teach(noisy, times, states) if teach else None
            if wanted is None:
                wanted = share.sqrt() * noise - (1 - share).sqrt() * clean
            errors = (guess.float() - wanted.float()).square().mean((1, 2, 3))
            return (snr_weights(signal[times], manner.least_weight) * errors).mean()

        train(course, painter, lambda: self._dealer(course, manner), loss, self.folder, self.report)

    def _guided(self, teacher: UNet2DConditionModel) -> "Teacher":
        """Return what gives a painter's velocity with guidance."""
        teacher.eval().requires_grad_(False)
        nothing = self._empty()
        empty = self.states(nothing)

        def teach(noisy: Tensor, times: Tensor, states: Tensor) -> Tensor:
            both = torch.cat([empty.expand_as(states), states])
            with torch.no_grad():
                (guess,) = teacher(
                    torch.cat([noisy, noisy]), torch.cat([times, times]), both, return_dict=False
                )
            away, towards = guess.float().chunk(2)
            return away + GUIDANCE_SCALE * (towards - away)

        return teach

    def _dealer(self, course: Course, manner: "_Manner") -> Deal:
        """Return what deals latents, noise, times, token ids, which words are hidden, shares of a mix."""
        worded = word_posters(self.posters, self.tokenizer, manner.wording, course.name).to(self.device)
        latents, empty, size = self.latents.to(self.device), self._empty(), self.recipe.painter_batch

        def deal(_: int) -> Batch:
            indices = torch.randint(len(latents), (size,), device=self.device)
            clean = latents[indices].float()
            is_empty = torch.rand(size, 1, device=self.device) < manner.empty
            tokens = torch.where(is_empty, empty, worded.captions(indices))
            hidden = choose_hidden(tokens == self.tokenizer.eos_token_id, manner.hidden)
            times = manner.draw_times(size, self.device)
            shares = choose_shares(size, manner.mixed, self.device)
            return clean, torch.randn_like(clean), times, tokens, hidden, shares

        return deal

    def _empty(self) -> Tensor:
        return tokenize(self.tokenizer, [""]).to(self.device)

    def states(self, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return token states of texts, [N, n, d], with some words hidden."""
        text_encoder = torch.nn.Module.to(self.text_encoder, self.device).eval().requires_grad_(False)
        with half_precision(self.device):
            states = text_encoder(input_ids=tokens).last_hidden_state
        return states if hidden is None else hide_words(states, tokens == self.tokenizer.eos_token_id, hidden)


Teacher = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Noisy latents, times and token states to velocities."""


@dataclass(frozen=True)
class _Manner:
    """How captions and times of a course are dealt."""

    wording: Wording = EVERYDAY
    hidden: float = 0.0
    """Share of captions with words hidden."""
    draw_times: Callable[[int, torch.device], Tensor] = even_times
    empty: float = EMPTY_PROMPTS
    """Share of captions that are left out."""
    least_weight: float = 0.08
    """Of pure noise, whose ratio of signal to noise is 0."""
    mixed: float = 0.0
    """Share of conditions between two captions."""


def add_noise(clean: Tensor, noise: Tensor, share: Tensor) -> Tensor:
    """Return noisy latents; `share` of their variance is the clean ones'."""
    noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
    return noisy.contiguous(memory_format=torch.channels_last)


def choose_hidden(is_end: Tensor, share: float) -> Tensor:
    """Choose words to hide, by lot.

    Args:
        is_end: [N, n] the end token and the padding after it.
        share: share of the texts of which words are hidden, each text at a rate of its own.

    Returns:
        [N, n] which words are hidden; never the start token, which says nothing, nor the end.
    """
    where = is_end.device
    rates = torch.rand(len(is_end), 1, device=where)
    rates = rates * (torch.rand(len(is_end), 1, device=where) < share)
    hidden = ~is_end & (torch.rand(is_end.shape, device=where) < rates)
    hidden[:, 0] = False
    return hidden


def hide_words(states: Tensor, is_end: Tensor, hidden: Tensor) -> Tensor:
    """Put the end token's state in the place of hidden words' states.

    Args:
        states: [N, n, d] token states.
        is_end: [N, n] the end token and the padding after it.
        hidden: [N, n] which words are hidden.

    Returns:
        [N, n, d]
    """
    ends = states[torch.arange(len(states), device=states.device), is_end.int().argmax(-1)]
    return torch.where(hidden[..., None], ends[:, None], states)


def choose_shares(size: int, mixed: float, device: torch.device) -> Tensor:
    """Return how much of another caption each condition takes, [size], 0 for most."""
    is_mixed = torch.rand(size, device=device) < mixed
    return FARTHEST_MIX * torch.rand(size, device=device) * is_mixed


def mix_states(states: Tensor, shares: Tensor) -> Tensor:
    """Move token states [N, n, d] by shares [N] towards those of the batch's next caption."""
    return states.lerp(states.roll(-1, 0), shares.to(states.dtype)[:, None, None])


def snr_weights(signal: Tensor, least: float) -> Tensor:
    """Weigh by signal-to-noise, clipped at 5."""
    snr = signal / (1 - signal)
    return (snr.clamp(max=MAX_SNR) / (snr + 1)).clamp(min=least)
