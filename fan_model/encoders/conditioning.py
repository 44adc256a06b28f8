"""From texts to the condition that an image model consumes, for each family of pipelines.

| family  | text encoders             | prompt_embeds                                 | pooled_prompt_embeds |
|---------|---------------------------|-----------------------------------------------|----------------------|
| SD 1, 2 | CLIP                      | last states after the final norm              | none                 |
| SD XL   | CLIP-L + CLIP-bigG        | penultimate states of both, joined in width   | projected, of bigG   |
| SD 3    | CLIP-L + CLIP-bigG (+ T5) | the same, zero-padded, then T5's along tokens | projected, of both   |
| FLUX    | CLIP-L + T5               | T5's last states                              | of CLIP-L, as it is  |

A family is known by the pipeline's components, never by the spelling of a name.

Legend: b batch, n tokens, w width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import DiffusionPipeline
from torch import Tensor

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


FAMILIES: dict[tuple[str, tuple[str, ...]], type[Conditioner]] = {
    ("unet", ("CLIPTextModel",)): StableDiffusionConditioner,
    ("unet", ("CLIPTextModel", "CLIPTextModelWithProjection")): StableDiffusionXLConditioner,
    ("transformer", ("CLIPTextModelWithProjection",) * 2): StableDiffusion3Conditioner,
    ("transformer", ("CLIPTextModelWithProjection",) * 2 + ("T5EncoderModel",)): StableDiffusion3Conditioner,
    ("transformer", ("CLIPTextModel", "T5EncoderModel")): FluxConditioner,
}
"""Image model and text encoders, and the family that has them."""


def build_conditioner(pipeline: DiffusionPipeline, cache: KeyValueCache) -> Conditioner:
    """The conditioner of a diffusers pipeline, by its components.

    Raises:
        ValueError: No supported family has these components.
    """
    components = pipeline.components
    image_model = "unet" if components.get("unet") is not None else "transformer"
    names = [
        name
        for name in ("text_encoder", "text_encoder_2", "text_encoder_3")
        if components.get(name) is not None
    ]
    encoders = tuple(type(components[name]).__name__ for name in names)
    try:
        family = FAMILIES[image_model, encoders]
    except KeyError:
        supported = "; ".join(f"{model} with {' + '.join(encoders)}" for model, encoders in FAMILIES)
        raise ValueError(
            f"no supported family has a {image_model} with text encoders {encoders}; supported: {supported}"
        ) from None
    return family(pipeline, cache)
