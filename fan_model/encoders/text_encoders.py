"""Text encoders with their tokenizers and the cache: words in, what the encoder has to say out.

Legend: b batch, n tokens, w width, p width of the pooled state.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import (
    CLIPModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerBase,
    Siglip2Model,
    SiglipModel,
    T5EncoderModel,
)

from fan_model.encoders.breaks import take_break
from fan_model.encoders.class_token import ClassTokenDetector
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.linear_layers import fill_row_blocks
from fan_model.encoders.personalized_encoders import (
    ClipEncoder,
    Encoder,
    Preference,
    Stream,
    T5Encoder,
    first_personalized_layer,
)
from fan_model.encoders.siglip_encoders import SiglipTextEncoder
from fan_model.method.attention import contrasted_shares, personalized_shares
from fan_model.method.crowd_contrast import NOBODY, Crowd, contrast_shares, normalize_weights
from fan_model.method.personalization import Personalization

RECORDING_BATCH = 16
"""Texts recorded at a time, which bounds the memory that a cold cache takes beyond its budget."""


@dataclass(frozen=True)
class Profile:
    """A target and the weighted references that speak for a user, in words."""

    target: str
    references: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    """One per reference, above 0; only their proportions matter."""
    crowd: Crowd = NOBODY
    """What to contrast the references with, where that is asked for."""

    def contrasts(self, how: Personalization) -> bool:
        """Whether the references act by what sets them apart from the crowd, or else in the paper's way."""
        return bool(how.contrast and self.references and self.crowd)

    def sources(self, how: Personalization) -> tuple[Sequence[str], Sequence[float]]:
        """The texts that the target attends beside itself, and what each counts for."""
        if self.contrasts(how):
            shares = contrast_shares(self.references, self.weights, self.crowd)
            return list(shares), list(shares.values())
        return self.references, normalize_weights(self.weights)

    def shares(self, how: Personalization) -> list[float]:
        """What the target, then each of those texts, counts for in a layer."""
        _, weights = self.sources(how)
        if self.contrasts(how):
            return contrasted_shares(weights, how.contrast)
        return personalized_shares(weights, how.alpha)


@dataclass(frozen=True)
class Encoding:
    """What one text encoder has to say about a batch of texts."""

    penultimate: Tensor
    """[b, n, w] states before the last layer, without a norm."""
    last: Tensor
    """[b, n, w] states after the last layer and the final norm."""
    pooled: Tensor | None = None
    """[b, p] state of the end token in `last`, projected if the encoder has a projection; not of T5."""


class TextTower(ABC):
    """A text encoder, its tokenizer, and the cache of what it has recorded."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: PreTrainedTokenizerBase,
        cache: KeyValueCache,
        num_tokens: int,
        eos_token_id: int,
        spell: Callable[[str], str] = str,
    ) -> None:
        self.encoder = encoder
        self._eos_token_id = eos_token_id
        self._spell = spell
        self._tokenizer = tokenizer
        self._cache = cache
        self._num_tokens = num_tokens
        # The fast tokenizers keep their padding as state, and refuse a change while another thread encodes.
        self._tokenizer_lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Encoding:
        """The plain encoding."""
        token_ids = self._tokenize(texts)
        return self._read(self.encoder.encode(token_ids), token_ids)

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Encoding:
        """The personalized encoding of each profile's target."""
        targets = [profile.target for profile in profiles]
        first_layer = first_personalized_layer(how.skip_layers)
        if first_layer >= len(self.encoder.layers):
            return self.encode(targets)
        streams = self._streams(profiles, how, first_layer)
        preferences = {profile: preference_of(profile, how, streams) for profile in dict.fromkeys(profiles)}
        alike = [preferences[profile] for profile in profiles]
        hidden_states = self.encoder.personalize(alike, alpha=how.alpha, skip_layers=how.skip_layers)
        token_ids = self._tokenize(targets)
        if how.keep_words:
            hidden_states = self._keep_words(hidden_states, token_ids)
        return self._read(hidden_states, token_ids)

    def _keep_words(self, hidden_states: Sequence[Tensor], token_ids: Tensor) -> tuple[Tensor, ...]:
        """Hidden states [b, n, w] with the plain ones up to the end of each text.

        No token of the personalized query sees another, but in skipped layers: those after the words are what
        they would be without them.
        """
        plain = self.encoder.encode(token_ids)[-len(hidden_states) :]
        places = torch.arange(token_ids.shape[1], device=token_ids.device)
        is_word = (places < end_positions(token_ids, self._eos_token_id)[:, None])[..., None]
        return tuple(torch.where(is_word, *both) for both in zip(plain, hidden_states, strict=True))

    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text, from its end, are not read."""
        with self._tokenizer_lock:
            tokens = self._tokenizer(list(texts), verbose=False).input_ids
        return [max(0, len(one) - self._num_tokens) for one in tokens]

    @abstractmethod
    def _read(self, hidden_states: Sequence[Tensor], token_ids: Tensor) -> Encoding: ...

    def _streams(
        self, profiles: Sequence[Profile], how: Personalization, first_layer: int
    ) -> dict[str, Stream]:
        texts = [text for profile in profiles for text in (profile.target, *profile.sources(how)[0])]
        texts += [] if how.target_query else [""]
        keys = [(id(self), first_layer, text) for text in texts]

        def record(missing: Sequence[tuple[int, int, str]]) -> list[Stream]:
            token_ids = self._tokenize([text for *_, text in missing])
            streams: list[Stream] = []
            for batch in torch.split(token_ids, RECORDING_BATCH):
                take_break()
                streams += self.encoder.record(batch, first_layer=first_layer)
            return streams

        return {text: stream for (*_, text), stream in self._cache.get(keys, record).items()}

    def _tokenize(self, texts: Sequence[str]) -> Tensor:
        with self._tokenizer_lock:
            tokens = self._tokenizer(
                list(map(self._spell, texts)),
                padding="max_length",
                max_length=self._num_tokens,
                truncation=True,
                return_tensors="pt",
            )
        return tokens.input_ids.to(self.encoder.device)


class ClipTower(TextTower):
    """CLIP, with or without a projection of its pooled state.

    The end token is where the target has it, or where a class-token detector finds it if one is given.
    `spell` is how a text is given to the tokenizer.
    """

    encoder: ClipEncoder

    def __init__(
        self,
        model: CLIPModel | CLIPTextModel | CLIPTextModelWithProjection,
        tokenizer: PreTrainedTokenizerBase,
        cache: KeyValueCache,
        detector: ClassTokenDetector | None = None,
        *,
        spell: Callable[[str], str] = str,
    ) -> None:
        stack = getattr(model, "text_model", model)
        eos_token_id = cast(int, stack.config.eos_token_id)
        num_tokens = tokenizer.model_max_length
        super().__init__(ClipEncoder(stack), tokenizer, cache, num_tokens, eos_token_id, spell)
        self._projection = getattr(model, "text_projection", None)
        if self._projection is not None:
            fill_row_blocks(self._projection)
        self._detector = detector

    @torch.no_grad()
    def _read(self, hidden_states: Sequence[Tensor], token_ids: Tensor) -> Encoding:
        last = self.encoder.normalize(hidden_states[-1])
        pooled = last[torch.arange(len(last)), self._ends(hidden_states[-1], token_ids)]
        projected = pooled if self._projection is None else self._projection(pooled)
        return Encoding(hidden_states[-2], last, projected)

    def _ends(self, states: Tensor, token_ids: Tensor) -> Tensor:
        """[b] where the pooled state is read."""
        if self._detector is not None:
            return self._detector.find(states)
        # The personalized query starts as the target's tokens, so the target's end is its own.
        return end_positions(token_ids, self._eos_token_id)


class SiglipTower(TextTower):
    """SigLIP or SigLIP 2; texts are padded, the padding is read as well, and the last token pools."""

    encoder: SiglipTextEncoder

    def __init__(
        self,
        model: SiglipModel | Siglip2Model,
        tokenizer: PreTrainedTokenizerBase,
        cache: KeyValueCache,
        num_tokens: int,
    ) -> None:
        eos_token_id = cast(int, tokenizer.eos_token_id)
        super().__init__(SiglipTextEncoder(model.text_model), tokenizer, cache, num_tokens, eos_token_id)

    def _read(self, hidden_states: Sequence[Tensor], token_ids: Tensor) -> Encoding:
        last = self.encoder.normalize(hidden_states[-1])
        return Encoding(hidden_states[-2], last, self.encoder.pool(last))


class T5Tower(TextTower):
    """T5; the pipelines give it no attention mask."""

    def __init__(
        self,
        model: T5EncoderModel,
        tokenizer: PreTrainedTokenizerBase,
        cache: KeyValueCache,
        num_tokens: int,
    ) -> None:
        eos_token_id = cast(int, model.config.eos_token_id)
        super().__init__(T5Encoder(model.encoder), tokenizer, cache, num_tokens, eos_token_id)

    def _read(self, hidden_states: Sequence[Tensor], token_ids: Tensor) -> Encoding:
        return Encoding(hidden_states[-2], hidden_states[-1])


def preference_of(profile: Profile, how: Personalization, streams: Mapping[str, Stream]) -> Preference:
    """A profile in the streams of its texts."""
    texts, weights = profile.sources(how)
    return Preference(
        streams[profile.target],
        [streams[text] for text in texts],
        weights,
        start=None if how.target_query else streams[""],
        strength=how.contrast if profile.contrasts(how) else None,
    )


def end_positions(token_ids: Tensor, eos_token_id: int) -> Tensor:
    """[b] where each text ends: its first end token in [b, n].

    Checkpoints that say 2 predate a fix: their end token is the largest id of the vocabulary.
    """
    is_end = token_ids == (token_ids.max(dim=-1, keepdim=True).values if eos_token_id == 2 else eos_token_id)
    return is_end.int().argmax(dim=-1)
