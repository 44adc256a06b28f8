"""From texts to the condition that an image model consumes, for every family of pipelines (the paper's section 3.4).

| family  | text encoders              | prompt_embeds                                   | pooled_prompt_embeds         |
|---------|----------------------------|-------------------------------------------------|------------------------------|
| SD 1, 2 | CLIP                       | last states after the final norm                | none                         |
| SD XL   | CLIP-L + CLIP-bigG         | penultimate states of both, joined in width     | projected, of bigG           |
| SD 3    | CLIP-L + CLIP-bigG (+ T5)  | the same, zero-padded, then T5's along tokens   | projected, of both, joined   |
| FLUX    | CLIP-L + T5                | T5's last states                                | of CLIP-L, not projected     |

A family is known by the pipeline's components, never by the spelling of a name.

Legend: b batch, n tokens, w width.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from fan_model.bank import ReferenceBank
from fan_model.encoders import (
    ClipEncoder,
    Encoder,
    Preference,
    Stream,
    T5Encoder,
    first_personalized_layer,
    normalize_weights,
)


@dataclass(frozen=True)
class Profile:
    """A target and the weighted references that speak for a user, in words."""

    target: str
    references: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    """One per reference, above 0; only their proportions matter."""


@dataclass(frozen=True)
class Personalization:
    """How strongly, and where, references act."""

    alpha: float = 0.3
    """Degree of personalization, 0 (target only) to 1 (references only)."""
    skip_layers: tuple[int, ...] = (0,)
    """Layers without personalized attention. None skipped is the paper's ablation "without skip"."""
    target_query: bool = True
    """Whether the personalized query starts as the target's tokens; if not, as the empty text's."""


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


@dataclass(frozen=True)
class Encoding:
    """What one text encoder has to say about a batch of texts."""

    penultimate: Tensor
    """[b, n, w] states before the last layer, without a norm."""
    last: Tensor
    """[b, n, w] states after the last layer and the final norm."""
    pooled: Tensor | None = None
    """[b, p] state of the end token in `last`, projected if the encoder has a projection; CLIP only."""


class TextTower(ABC):
    """A text encoder with its tokenizer and the bank of what it has recorded."""

    def __init__(
        self, encoder: Encoder, tokenizer: Any, *, num_tokens: int, device: str, bank: ReferenceBank
    ) -> None:
        self.encoder = encoder
        self._tokenizer = tokenizer
        self._num_tokens = num_tokens
        self._device = device
        self._bank = bank
        # The fast tokenizers keep their padding as state, and refuse a change while another thread encodes.
        self._tokenizer_lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Encoding:
        """The plain encoding."""
        inputs = self._tokenize(texts)
        return self._read(self.encoder.encode(inputs), inputs)

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Encoding:
        """The personalized encoding of each profile's target."""
        first_layer = first_personalized_layer(how.skip_layers)
        if first_layer >= len(self.encoder.layers):
            return self.encode([profile.target for profile in profiles])
        streams = self._streams(profiles, how, first_layer)
        preferences = [
            Preference(
                streams[profile.target],
                [streams[reference] for reference in profile.references],
                normalize_weights(profile.weights),
                start=None if how.target_query else streams[""],
            )
            for profile in profiles
        ]
        hidden_states = self.encoder.personalize(preferences, alpha=how.alpha, skip_layers=how.skip_layers)
        return self._read(hidden_states, self._tokenize([profile.target for profile in profiles]))

    @abstractmethod
    def _read(self, hidden_states: Sequence[Tensor], inputs: Tensor) -> Encoding: ...

    def _streams(
        self, profiles: Sequence[Profile], how: Personalization, first_layer: int
    ) -> dict[str, Stream]:
        texts = [text for profile in profiles for text in (profile.target, *profile.references)]
        texts += [] if how.target_query else [""]
        keys = [(id(self), first_layer, text) for text in texts]

        def record(missing: Sequence[tuple[int, int, str]]) -> list[Stream]:
            return self.encoder.record(
                self._tokenize([text for *_, text in missing]), first_layer=first_layer
            )

        return {text: stream for (*_, text), stream in self._bank.get(keys, record).items()}

    def _tokenize(self, texts: Sequence[str]) -> Tensor:
        with self._tokenizer_lock:
            tokens = self._tokenizer(
                list(texts),
                padding="max_length",
                max_length=self._num_tokens,
                truncation=True,
                return_tensors="pt",
            )
        return tokens.input_ids.to(self._device)


class ClipTower(TextTower):
    """CLIP, with or without a projection of its pooled state."""

    encoder: ClipEncoder

    def __init__(
        self, model: CLIPTextModel | CLIPTextModelWithProjection, tokenizer: Any, **settings: Any
    ) -> None:
        stack = getattr(model, "text_model", model)
        super().__init__(ClipEncoder(stack), tokenizer, num_tokens=tokenizer.model_max_length, **settings)
        self._projection = getattr(model, "text_projection", None)
        self._eos_token_id = model.config.eos_token_id

    @torch.no_grad()
    def _read(self, hidden_states: Sequence[Tensor], inputs: Tensor) -> Encoding:
        last = self.encoder.normalize(hidden_states[-1])
        # The personalized query starts as the target's tokens, so the target's end position is its own.
        pooled = last[torch.arange(len(last)), end_positions(inputs, self._eos_token_id)]
        return Encoding(
            hidden_states[-2], last, pooled if self._projection is None else self._projection(pooled)
        )


class T5Tower(TextTower):
    """T5; the pipelines give it no attention mask."""

    def __init__(self, model: T5EncoderModel, tokenizer: Any, *, num_tokens: int, **settings: Any) -> None:
        super().__init__(T5Encoder(model.encoder), tokenizer, num_tokens=num_tokens, **settings)

    def _read(self, hidden_states: Sequence[Tensor], inputs: Tensor) -> Encoding:
        return Encoding(hidden_states[-2], hidden_states[-1])


def end_positions(token_ids: Tensor, eos_token_id: int) -> Tensor:
    """[b] where each text ends: its first end token in [b, n].

    Checkpoints that say 2 predate a fix: their end token is the largest id of the vocabulary.
    """
    is_end = token_ids == (token_ids.max(dim=-1, keepdim=True).values if eos_token_id == 2 else eos_token_id)
    return is_end.int().argmax(dim=-1)


class Conditioner(ABC):
    """All text encoders of a pipeline, and how its family joins them."""

    takes_negative_prompt = True

    def __init__(self, pipeline: Any, bank: ReferenceBank) -> None:
        self._pipeline = pipeline
        self._settings = {"device": str(pipeline.device), "bank": bank}
        self.towers: Sequence[TextTower] = self._build_towers()

    @abstractmethod
    def _build_towers(self) -> Sequence[TextTower]: ...

    @abstractmethod
    def _join(self, encodings: Sequence[Encoding]) -> Condition: ...

    def encode(self, texts: Sequence[str]) -> Condition:
        """The plain condition of each text, as the pipeline's own `encode_prompt` gives it."""
        return self._join([tower.encode(texts) for tower in self.towers])

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Condition:
        """The personalized condition of each profile's target."""
        return self._join([tower.personalize(profiles, how) for tower in self.towers])

    def encode_negative(self, negative_prompt: str) -> Condition:
        """The condition that guidance leads away from, a batch of one."""
        condition = self.encode([negative_prompt])
        forces_zeros = getattr(self._pipeline.config, "force_zeros_for_empty_prompt", False)
        return condition.zeros_like() if forces_zeros and not negative_prompt else condition

    def _clip(self, suffix: str = "") -> ClipTower:
        pipeline = self._pipeline
        return ClipTower(
            getattr(pipeline, f"text_encoder{suffix}"),
            getattr(pipeline, f"tokenizer{suffix}"),
            **self._settings,
        )

    def _t5(self, suffix: str, num_tokens: int) -> T5Tower:
        pipeline = self._pipeline
        return T5Tower(
            getattr(pipeline, f"text_encoder{suffix}"),
            getattr(pipeline, f"tokenizer{suffix}"),
            num_tokens=num_tokens,
            **self._settings,
        )


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
        assert clip.pooled is not None and big_clip.pooled is not None
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


def build_conditioner(pipeline: Any, bank: ReferenceBank) -> Conditioner:
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
    return family(pipeline, bank)
