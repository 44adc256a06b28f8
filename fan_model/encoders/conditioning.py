"""From texts to the condition that an image model consumes, for each family of pipelines (see `families`).

Legend: b batch, n tokens, w width.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import DiffusionPipeline
from torch import nn
from transformers import PreTrainedTokenizerBase

from fan_model.encoders.conditions import Condition
from fan_model.encoders.families import UnsupportedPipelineError
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import ClipTower, Encoding, Profile, T5Tower, TextTower
from fan_model.method.personalization import Personalization


class Conditioner(ABC):
    """From texts to conditions, by the encoders of one pipeline."""

    takes_negative_prompt = True
    """Whether guidance leads away from a negative prompt."""
    takes_one_prompt = False
    """Whether the pipeline's call takes the condition of one prompt only."""
    with_negatives: Mapping[str, object] = {}
    """What the pipeline's call is told where it is given the condition of a negative prompt."""
    least_steps = 1
    """Denoising steps that the pipeline's call needs at least."""
    draws_alone = False
    """Whether a picture would depend on what it is drawn together with."""
    keeps_words = True
    """Whether a prompt's own words can be told from what is read after them."""
    reads_texts = True
    """Whether texts play any part in a picture; where they do not, other pictures say all."""

    def __init__(self, pipeline: DiffusionPipeline, cache: KeyValueCache) -> None:
        self._pipeline = pipeline
        self._cache = cache

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Condition:
        """The plain condition of each text, as the pipeline's own `encode_prompt` gives it."""

    @abstractmethod
    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Condition:
        """The personalized condition of each profile's target."""

    @abstractmethod
    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text no text encoder reads: they play no part."""

    @abstractmethod
    def encode_negative(self, negative_prompt: str) -> Condition:
        """The condition that guidance leads away from, a batch of one."""

    @property
    @abstractmethod
    def num_layers(self) -> int:
        """Layers of the deepest text encoder."""

    @property
    @abstractmethod
    def modules(self) -> Sequence[nn.Module]:
        """All that must be on a device for texts to be encoded there."""

    @property
    def own_side(self) -> int:
        """Side in pixels of the pictures that the image model was trained for."""
        latents = getattr(self._pipeline, "default_sample_size", None)
        return (latents or self._image_model.config.sample_size) * self._pipeline.vae_scale_factor

    @property
    def side_multiple(self) -> int:
        """Every side is a multiple of this: the autoencoder's scale, times a transformer's patches."""
        is_transformer = getattr(self._pipeline, "transformer", None) is not None
        return self._pipeline.vae_scale_factor * (2 if is_transformer else 1)

    def call_arguments(self, guidance_scale: float, height: int | None, width: int | None) -> dict[str, Any]:
        """Guidance and size, by the names that the pipeline's call takes."""
        return {"guidance_scale": guidance_scale, "height": height, "width": width}

    @property
    def _image_model(self) -> Any:  # noqa: ANN401 - a UNet or a transformer
        return getattr(self._pipeline, "unet", None) or self._pipeline.transformer


class TowerConditioner(Conditioner):
    """All text encoders of a pipeline, layer by layer in our own code, and how its family joins them."""

    def __init__(self, pipeline: DiffusionPipeline, cache: KeyValueCache) -> None:
        super().__init__(pipeline, cache)
        self._models: list[nn.Module] = []
        self._towers = self._build_towers()

    @abstractmethod
    def _build_towers(self) -> Sequence[TextTower]: ...

    @abstractmethod
    def _join(self, encodings: Sequence[Encoding]) -> Condition: ...

    @property
    def num_layers(self) -> int:
        """Layers of the deepest text encoder."""
        return max(len(tower.encoder.layers) for tower in self._towers)

    @property
    def modules(self) -> Sequence[nn.Module]:
        """The pipeline's text encoders, and their twins: they share weights, but not buffers."""
        return [*self._models, *(tower.encoder.stack for tower in self._towers)]

    def encode(self, texts: Sequence[str]) -> Condition:
        """The plain condition of each text, as the pipeline's own `encode_prompt` gives it."""
        return self._join([tower.encode(texts) for tower in self._towers])

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Condition:
        """The personalized condition of each profile's target."""
        return self._join([tower.personalize(profiles, how) for tower in self._towers])

    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text no text encoder reads."""
        return [
            min(counts) for counts in zip(*(tower.count_unread(texts) for tower in self._towers), strict=True)
        ]

    def encode_negative(self, negative_prompt: str) -> Condition:
        """The condition that guidance leads away from, a batch of one."""
        condition = self.encode([negative_prompt])
        forces_zeros = getattr(self._pipeline.config, "force_zeros_for_empty_prompt", False)
        return condition.zeros_like() if forces_zeros and not negative_prompt else condition

    def _model(self, suffix: str) -> Any:  # noqa: ANN401 - CLIP or T5
        model = getattr(self._pipeline, f"text_encoder{suffix}")
        self._models.append(model)
        return model

    def _spelling(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[str], str]:
        """How texts are spelt: a learnt word of several vectors is as many words to the tokenizer."""
        learnt = any(token.endswith("_1") for token in tokenizer.get_added_vocab())
        return functools.partial(self._pipeline.maybe_convert_prompt, tokenizer=tokenizer) if learnt else str

    def _clip(self, suffix: str = "") -> ClipTower:
        tokenizer = getattr(self._pipeline, f"tokenizer{suffix}")
        return ClipTower(self._model(suffix), tokenizer, self._cache, spell=self._spelling(tokenizer))

    def _t5(self, suffix: str, num_tokens: int) -> T5Tower:
        return T5Tower(
            self._model(suffix), getattr(self._pipeline, f"tokenizer{suffix}"), self._cache, num_tokens
        )


class StableDiffusionConditioner(TowerConditioner):
    """SD 1 and 2."""

    def _build_towers(self) -> Sequence[TextTower]:
        return [self._clip()]

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        (clip,) = encodings
        return Condition.of_states(clip.last)


class StableDiffusionXLConditioner(TowerConditioner):
    """SD XL."""

    def _build_towers(self) -> Sequence[TextTower]:
        return [self._clip(), self._clip("_2")]

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        clip, big_clip = encodings
        return Condition.of_states(
            torch.cat([clip.penultimate, big_clip.penultimate], dim=-1), big_clip.pooled
        )


class StableDiffusion3Conditioner(TowerConditioner):
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
        return Condition.of_states(
            torch.cat([padded, t5_states], dim=1), torch.cat([clip.pooled, big_clip.pooled], dim=-1)
        )


class FluxConditioner(TowerConditioner):
    """FLUX. Its guidance is distilled into the model and leads away from nothing."""

    takes_negative_prompt = False
    num_t5_tokens = 512

    def _build_towers(self) -> Sequence[TextTower]:
        return [self._clip(), self._t5("_2", self.num_t5_tokens)]

    def _join(self, encodings: Sequence[Encoding]) -> Condition:
        clip, t5 = encodings
        return Condition.of_states(t5.last, clip.pooled)


class PictureConditioner(Conditioner):
    """Kandinsky 2.2's decoder, which draws from the embedding of a picture and reads no text.

    Vectors of texts, by which references are selected, are those of its prior's text encoder, which shares
    the space of the pictures.
    """

    reads_texts = False
    takes_negative_prompt = False
    num_layers = 0

    def __init__(
        self, pipeline: DiffusionPipeline, cache: KeyValueCache, reader: TextTower | None = None
    ) -> None:
        super().__init__(pipeline, cache)
        self._reader = reader

    @property
    def modules(self) -> Sequence[nn.Module]:
        """The prior's text encoder."""
        return [] if self._reader is None else [self._reader.encoder.stack]

    def encode(self, texts: Sequence[str]) -> Condition:
        """The states of texts, of which only vectors are made.

        Raises:
            UnsupportedPipelineError: There is nothing that reads texts.
        """
        if self._reader is None:
            raise UnsupportedPipelineError(
                f"{type(self._pipeline).__name__} reads no texts: there are no vectors of them, and no "
                "negative prompts"
            )
        return Condition.of_states(self._reader.encode(texts).last)

    def encode_negative(self, negative_prompt: str) -> Condition:
        """The states of a text that nothing leads away from, refused as by `encode`."""
        return self.encode([negative_prompt])

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Condition:
        """Nothing: all that a picture is made of comes from pictures."""
        return Condition({}, [])

    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text are in none of its vectors."""
        return [0] * len(texts) if self._reader is None else self._reader.count_unread(texts)

    @property
    def own_side(self) -> int:
        """Side in pixels of the pictures that the image model was trained for."""
        return self._image_model.config.sample_size * self._pipeline.movq_scale_factor

    @property
    def side_multiple(self) -> int:
        """Every side is a multiple of this: the pipeline rounds others up."""
        return self._pipeline.movq_scale_factor**2

    def call_arguments(self, guidance_scale: float, height: int | None, width: int | None) -> dict[str, Any]:
        """Guidance and size, which the call takes as 512 pixels where it is not told."""
        sides = {"height": height or self.own_side, "width": width or self.own_side}
        return {"guidance_scale": guidance_scale, **sides}
