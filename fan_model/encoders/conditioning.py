"""From texts to the condition that an image model consumes, for each family of pipelines (see `families`).

Legend: b batch, n tokens, w width.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import DiffusionPipeline
from torch import Tensor

from fan_model.encoders.families import Family, accept, refuse_misfit
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import ClipTower, Encoding, Profile, T5Tower, TextTower
from fan_model.method.personalization import Personalization


@dataclass(frozen=True)
class Condition:
    """What the image model consumes."""

    prompt_embeds: Tensor
    """[b, n, w]"""
    pooled_prompt_embeds: Tensor | None = None
    """[b, p], for the families that take one."""

    def zeros_like(self) -> "Condition":
        """The empty condition of pipelines that force zeros for an empty prompt."""
        pooled = self.pooled_prompt_embeds
        return Condition(
            torch.zeros_like(self.prompt_embeds), None if pooled is None else torch.zeros_like(pooled)
        )

    def repeat(self, batch_size: int) -> "Condition":
        """This one condition for each picture of a batch."""
        pooled = self.pooled_prompt_embeds
        return Condition(
            self.prompt_embeds.expand(batch_size, -1, -1),
            None if pooled is None else pooled.expand(batch_size, -1),
        )


class Conditioner(ABC):
    """All text encoders of a pipeline, and how its family joins them."""

    takes_negative_prompt = True

    def __init__(self, pipeline: DiffusionPipeline, cache: KeyValueCache) -> None:
        self._pipeline = pipeline
        self._cache = cache
        self._towers = self._build_towers()

    @abstractmethod
    def _build_towers(self) -> Sequence[TextTower]: ...

    @abstractmethod
    def _join(self, encodings: Sequence[Encoding]) -> Condition: ...

    def encode(self, texts: Sequence[str]) -> Condition:
        """The plain condition of each text, as the pipeline's own `encode_prompt` gives it."""
        return self._join([tower.encode(texts) for tower in self._towers])

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Condition:
        """The personalized condition of each profile's target."""
        return self._join([tower.personalize(profiles, how) for tower in self._towers])

    def encode_negative(self, negative_prompt: str) -> Condition:
        """The condition that guidance leads away from, a batch of one."""
        condition = self.encode([negative_prompt])
        forces_zeros = getattr(self._pipeline.config, "force_zeros_for_empty_prompt", False)
        return condition.zeros_like() if forces_zeros and not negative_prompt else condition

    def _clip(self, suffix: str = "") -> ClipTower:
        model = getattr(self._pipeline, f"text_encoder{suffix}")
        return ClipTower(model, getattr(self._pipeline, f"tokenizer{suffix}"), self._cache)

    def _t5(self, suffix: str, num_tokens: int) -> T5Tower:
        model = getattr(self._pipeline, f"text_encoder{suffix}")
        return T5Tower(model, getattr(self._pipeline, f"tokenizer{suffix}"), self._cache, num_tokens)


class StableDiffusionConditioner(Conditioner):
    """SD 1 and 2."""

    def _build_towers(self) -> Sequence[TextTower]:
        return [self._clip()]

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        (clip,) = encodings
        return Condition(clip.last)


class StableDiffusionXLConditioner(Conditioner):
    """SD XL."""

    def _build_towers(self) -> Sequence[TextTower]:
        return [self._clip(), self._clip("_2")]

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        clip, big_clip = encodings
        return Condition(torch.cat([clip.penultimate, big_clip.penultimate], dim=-1), big_clip.pooled)


class StableDiffusion3Conditioner(Conditioner):
    """SD 3, with or without its T5."""

    num_t5_tokens = 256

    def _build_towers(self) -> Sequence[TextTower]:
        clips: list[TextTower] = [self._clip(), self._clip("_2")]
        return (
            clips if self._pipeline.text_encoder_3 is None else [*clips, self._t5("_3", self.num_t5_tokens)]
        )

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        clip, big_clip, *t5 = encodings
        states = torch.cat([clip.penultimate, big_clip.penultimate], dim=-1)
        width = self._pipeline.transformer.config.joint_attention_dim
        t5_states = t5[0].last if t5 else states.new_zeros(len(states), self.num_t5_tokens, width)
        padded = F.pad(states, (0, width - states.shape[-1]))
        assert clip.pooled is not None
        assert big_clip.pooled is not None
        return Condition(
            torch.cat([padded, t5_states], dim=1), torch.cat([clip.pooled, big_clip.pooled], dim=-1)
        )


class FluxConditioner(Conditioner):
    """FLUX. Its guidance is distilled into the model and leads away from nothing."""

    takes_negative_prompt = False
    num_t5_tokens = 512

    def _build_towers(self) -> Sequence[TextTower]:
        return [self._clip(), self._t5("_2", self.num_t5_tokens)]

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        clip, t5 = encodings
        return Condition(t5.last, clip.pooled)


CONDITIONERS: dict[str, type[Conditioner]] = {
    "StableDiffusionPipeline": StableDiffusionConditioner,
    "StableDiffusionXLPipeline": StableDiffusionXLConditioner,
    "StableDiffusion3Pipeline": StableDiffusion3Conditioner,
    "FluxPipeline": FluxConditioner,
}
"""How each class of pipelines joins what its encoders say."""


def build_conditioner(pipeline: DiffusionPipeline, cache: KeyValueCache) -> Conditioner:
    """The conditioner of a diffusers pipeline, by its class and components.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """
    return CONDITIONERS[accept_pipeline(pipeline).pipeline](pipeline, cache)


def accept_pipeline(pipeline: DiffusionPipeline) -> Family:
    """The family of a pipeline in memory, which must be of diffusers' own class.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """
    kind = type(pipeline)
    is_own = getattr(diffusers, kind.__name__, None) is kind
    name = kind.__name__ if is_own else f"{kind.__module__}.{kind.__qualname__}"
    components = {key: part for key, part in pipeline.components.items() if part is not None}
    classes = {key: type(part).__name__ for key, part in components.items()}
    family = accept(name, classes)
    config = components[family.image_model[0]].config
    refuse_misfit(family, classes, config, _latent_channels(components["vae"].config))
    return family


def _latent_channels(config: Mapping[str, Any]) -> int | None:
    """Of an autoencoder, whatever it calls them."""
    return config.get("latent_channels", config.get("z_dim"))
