"""Conditions of pipelines that read prompts with a language model, or with a masked encoder.

Each text is read alone, by the pipeline's own `encode_prompt`: nothing depends on what it is read with.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from fan_model.encoders.breaks import take_break
from fan_model.encoders.conditioning import Conditioner
from fan_model.encoders.conditions import PROMPT_EMBEDS, Condition
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.language_models import ForwardRun, RecordedText
from fan_model.encoders.personalized_encoders import first_personalized_layer
from fan_model.encoders.prompt_calls import PromptCall
from fan_model.encoders.prompt_reader import PromptReader
from fan_model.encoders.text_encoders import Profile
from fan_model.method.personalization import Personalization

NEGATIVES_KEPT = 8
"""Conditions of negative prompts that are remembered: all pictures of a night have the same."""


class LanguageConditioner(Conditioner):
    """Any family whose row in the table says how its `encode_prompt` is asked."""

    draws_alone = True
    keeps_words = False

    def __init__(self, pipeline: DiffusionPipeline, cache: KeyValueCache, how: PromptCall) -> None:
        super().__init__(pipeline, cache)
        self._how = how
        self._reader = PromptReader(pipeline, how)
        is_distilled = how.distilled is not None and bool(pipeline.config.get(how.distilled))
        self.with_negatives = how.with_negatives
        self.takes_one_prompt = how.takes_one_prompt
        self.least_steps = how.least_steps
        self.takes_negative_prompt = how.takes_negatives and not is_distilled
        self.encode_negative = functools.lru_cache(NEGATIVES_KEPT)(self._encode_negative)  # type: ignore[method-assign]

    @property
    def num_layers(self) -> int:
        """Layers of the text encoder."""
        return self._reader.model.num_layers

    @property
    def modules(self) -> Sequence[nn.Module]:
        """The pipeline's text encoder, and its twin: they share weights, but not buffers."""
        return [self._pipeline.text_encoder, self._reader.model.stack]

    def encode(self, texts: Sequence[str]) -> Condition:
        """The plain condition of each text, as the pipeline's own `encode_prompt` gives it."""
        return _join([self._read(text, ForwardRun()) for text in texts])

    def personalize(self, profiles: Sequence[Profile], how: Personalization) -> Condition:
        """The personalized condition of each profile's target."""
        return _join([self._personalize(profile, how) for profile in profiles])

    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text the pipeline cuts off."""
        return [self._reader.count_unread(text) for text in texts]

    def encode_negative(self, negative_prompt: str) -> Condition:
        """The condition that guidance leads away from, a batch of one."""
        return self._encode_negative(negative_prompt)

    def _encode_negative(self, negative_prompt: str) -> Condition:
        arguments = self._whole(self._reader.read_negative(negative_prompt))
        return Condition(arguments, list(arguments[PROMPT_EMBEDS]))

    @property
    def own_side(self) -> int:
        """Side in pixels of the pictures that the image model was trained for."""
        return self._how.own_side or super().own_side

    @property
    def side_multiple(self) -> int:
        """Every side is a multiple of this."""
        return math.lcm(super().side_multiple, self._how.side_multiple)

    def call_arguments(self, guidance_scale: float, height: int | None, width: int | None) -> dict[str, Any]:
        """Guidance and size, by the names that the pipeline's call takes."""
        strength = guidance_scale - 1 + self._how.no_guidance
        sides = {"height": height or self.own_side, "width": width or self.own_side}
        return {self._how.guidance: strength, **sides, **self._how.call}

    def _personalize(self, profile: Profile, how: Personalization) -> Condition:
        texts, _ = profile.sources(how)
        start = profile.target if how.target_query else ""
        first_layer = first_personalized_layer(how.skip_layers)
        is_plain = not texts and how.target_query
        if is_plain or first_layer >= self.num_layers:
            return self._read(start, ForwardRun())
        recorded = self._record([profile.target, *texts], first_layer)
        sources = [recorded[text] for text in (profile.target, *texts)]
        return self._read(start, ForwardRun(sources, profile.shares(how), frozenset(how.skip_layers)))

    def _read(self, text: str, run: ForwardRun) -> Condition:
        take_break()
        arguments = self._whole(self._reader.read(text, run))
        return Condition(arguments, [_seen(arguments, run)])

    def _whole(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the mask that is left out where nothing is masked."""
        if self._how.mask is not None and self._how.mask not in arguments:
            states = arguments[PROMPT_EMBEDS]
            return {**arguments, self._how.mask: states.new_ones(states.shape[:2], dtype=torch.long)}
        return arguments

    def _record(self, texts: Sequence[str], first_layer: int) -> dict[str, RecordedText]:
        """Keys and values of each text; what all texts of a template begin with is kept once."""
        beginning = self._recorded([""], first_layer, None)[""] if self._how.is_causal else None
        return self._recorded(texts, first_layer, beginning)

    def _recorded(
        self, texts: Sequence[str], first_layer: int, beginning: RecordedText | None
    ) -> dict[str, RecordedText]:
        def record(missing: Sequence[tuple[int, int, str]]) -> list[RecordedText]:
            whole = [self._record_one(text, first_layer) for *_, text in missing]
            return whole if beginning is None else [one.share(beginning) for one in whole]

        keys = [(id(self), first_layer, text) for text in texts]
        return {text: one for (*_, text), one in self._cache.get(keys, record).items()}

    def _record_one(self, text: str, first_layer: int) -> RecordedText:
        take_break()
        run = ForwardRun(records=True)
        self._reader.read(text, run)
        return run.recording(first_layer)


def _seen(arguments: dict[str, Any], run: ForwardRun) -> Tensor:
    """[n, w] the states of one text that are no padding, as far as can be told."""
    states: Tensor = arguments[PROMPT_EMBEDS][0]
    masks = [value[0] for name, value in arguments.items() if name.endswith("_mask")]
    for mask in [run.is_real, *masks]:
        if mask is not None and mask.shape == states.shape[:1]:
            return states[mask.to(states.device).bool()]
    return states


def _join(conditions: Sequence[Condition]) -> Condition:
    """One condition of several texts.

    Those of fewer tokens are padded, and masked; where the family has no mask, texts stay a list.
    """
    names = conditions[0].arguments
    is_masked = any(name.endswith("_mask") for name in names)
    arguments = {
        name: _join_values([one.arguments[name] for one in conditions], is_masked=is_masked) for name in names
    }
    return Condition(arguments, [tokens for one in conditions for tokens in one.tokens])


def _join_values(values: Sequence[Any], *, is_masked: bool) -> Any:  # noqa: ANN401 - a tensor or a list
    longest = max(len(value[0]) for value in values)
    is_list = isinstance(values[0], list)
    if is_list or (not is_masked and min(len(value[0]) for value in values) < longest):
        return [one for value in values for one in value]
    return torch.cat([_pad(value, longest) for value in values])


def _pad(value: Tensor, num_tokens: int) -> Tensor:
    missing = num_tokens - value.shape[1]
    return F.pad(value, (0, missing)) if value.ndim == 2 else F.pad(value, (0, 0, 0, missing))
