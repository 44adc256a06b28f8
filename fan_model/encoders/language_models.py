"""Language models as text encoders: the model's own forward, of which only the attention is ours.

Rotary positions, norms of queries and keys, scaled embeddings and feed-forward blocks are the model's own
code: what an attention sees is past all of that. Target and references are run once, alone and without
padding, and their keys and values recorded; the personalized query runs through the same forward and attends
those.

What one run is to do travels in a context variable, for not every model hands arguments on to its attention.

Legend: n tokens, w width, k heads of keys, d head size.
"""

import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_outputs import BaseModelOutput

from fan_model.encoders.personalized_encoders import make_twin
from fan_model.method.attention import KeysValues
from fan_model.method.grouped_attention import GroupedAttention, Masks

OWN_FORWARD = "fan_own_forward"
"""Name of the attention that a run is told of, in transformers' registries."""
WRAPPERS = ("model", "language_model", "encoder")
"""What stands between a model with a head, or with eyes, and its stack of layers."""


@dataclass(frozen=True)
class RecordedText:
    """A text's keys and values in every layer, as far as others need to see them.

    What it shares with another text's beginning is kept with that one: a causal model has the same keys.
    """

    token_ids: tuple[int, ...]
    """[n]"""
    first_layer: int
    """Earlier layers are not kept."""
    keys: Sequence[Tensor]
    """[k, n - num_shared, d] of each layer from `first_layer` on."""
    values: Sequence[Tensor]
    """As `keys`."""
    beginning: "RecordedText | None" = None
    """The text that it begins as."""
    num_shared: int = 0
    """Tokens that it has in common with `beginning`."""

    def at(self, layer: int) -> KeysValues:
        """Keys and values of one layer, [k, n, d] each."""
        own = self.keys[layer - self.first_layer], self.values[layer - self.first_layer]
        if self.beginning is None:
            return own
        keys, values = self.beginning.at(layer)
        shared = keys[:, : self.num_shared], values[:, : self.num_shared]
        return torch.cat([shared[0], own[0]], dim=1), torch.cat([shared[1], own[1]], dim=1)

    @property
    def num_bytes(self) -> int:
        """Memory that it holds, without what it shares."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def share(self, beginning: "RecordedText") -> "RecordedText":
        """This text with what it has in common with another's beginning kept there."""
        pairs = zip(self.token_ids, beginning.token_ids, strict=False)
        common = next((place for place, (a, b) in enumerate(pairs) if a != b), None)
        common = min(len(self.token_ids), len(beginning.token_ids)) if common is None else common
        if not common:
            return self
        # Clones, or the whole recorded tensors would live on.
        keys, values = ([one[:, common:].clone() for one in each] for each in (self.keys, self.values))
        return RecordedText(self.token_ids, self.first_layer, keys, values, beginning, common)


@dataclass(frozen=True)
class AttentionLayer:
    """What sets the attention of one layer apart; see `GroupedAttention`."""

    scaling: float
    window: int | None
    soft_cap: float | None
    bias: Tensor | None


@dataclass
class ForwardRun:
    """What the attention is to do in one forward, and what it has seen."""

    sources: Sequence[RecordedText] = ()
    """What is attended in the place of the text itself: the target, then the references. None: the text."""
    shares: Sequence[float] = ()
    """One per source."""
    untouched_layers: Collection[int] = ()
    """Layers in which the text attends itself all the same."""
    records: bool = False
    """Whether keys and values are wanted, and only those."""
    recorded: list[KeysValues] = field(default_factory=list)
    """[k, n, d] keys and values of each layer."""
    token_ids: tuple[int, ...] = ()
    """Of the text, without padding."""
    is_real: Tensor | None = None
    """[n] which of the tokens that the pipeline gave are the text's."""
    _real: slice = field(default_factory=lambda: slice(None))
    _is_causal: bool = True
    _averages_nothing: bool = False
    _layers: Iterator[int] = field(default_factory=itertools.count)
    _masks: Masks = field(default_factory=dict)

    def begin(self, real: slice, *, is_causal: bool, averages_nothing: bool) -> None:
        """Start at the first layer.

        Args:
            real: Where the text stands among the given tokens; the others are padding.
            is_causal: Whether a token sees only what stands before it.
            averages_nothing: Whether what sees nothing gets the mean of everything in the model's own
                attention; if not, 0.
        """
        self._real, self._is_causal, self._averages_nothing = real, is_causal, averages_nothing
        self._layers, self._masks = itertools.count(), {}
        self.recorded.clear()

    def attend(self, query: Tensor, given: KeysValues, layer: AttentionLayer) -> Tensor:
        """What a layer's queries [h, n, d] go on with; `given` are keys and values of all given tokens."""
        place = next(self._layers)
        key, value = given
        own = key[:, self._real], value[:, self._real]
        if self.records:
            self.recorded.append(own)
        is_plain = not self.sources or place in self.untouched_layers
        sources = [own] if is_plain else [source.at(place) for source in self.sources]
        attention = GroupedAttention(
            **vars(layer), is_causal=self._is_causal, num_blind=self._real.start, masks=self._masks
        )
        attended = attention.weighted_sum(query, sources, [1.0] if is_plain else self.shares)
        return self._see_nothing(attended, value, layer.window)

    def recording(self, first_layer: int) -> RecordedText:
        """What was recorded of the text, from a layer on."""
        keys, values = zip(*self.recorded[first_layer:], strict=True)
        # Clones, or what stays in the cache would keep whole projections alive.
        kept = [key.clone() for key in keys], [value.clone() for value in values]
        return RecordedText(self.token_ids, first_layer, *kept)

    def _see_nothing(self, attended: Tensor, value: Tensor, window: int | None) -> Tensor:
        """Let padding that sees nothing of the text go on as in the model's own attention [h, n, d]."""
        if not self._is_causal:
            return attended
        blind = slice(0, self._real.start)
        end = self._real.stop - 1 + (window or attended.shape[1])
        for rows in (blind, slice(end, attended.shape[1])):
            if rows.start < rows.stop:
                mean = value.mean(dim=1, keepdim=True).repeat_interleave(len(attended) // len(value), dim=0)
                attended[:, rows] = mean if self._averages_nothing else 0
        return attended


RUN: ContextVar[ForwardRun] = ContextVar("fan_run")


@contextmanager
def running(run: ForwardRun) -> Iterator[ForwardRun]:
    """Let the models that are called in this thread do what `run` says."""
    token = RUN.set(run)
    try:
        yield run
    finally:
        RUN.reset(token)


class LanguageModel:
    """A twin of a language model without its head, whose attention does what the current run says."""

    def __init__(self, model: PreTrainedModel, *, is_causal: bool) -> None:
        self.stack: Any = make_twin(stack_of(model)).eval()
        self._averages_nothing = self.stack.config._attn_implementation == "eager"
        self.stack.set_attn_implementation(OWN_FORWARD)
        self.is_causal = is_causal
        """Whether a token sees only what stands before it."""
        self.num_layers: int = self.stack.config.num_hidden_layers
        """How many layers it has."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.stack.device

    @torch.no_grad()
    def forward(self, token_ids: Tensor, real: slice) -> BaseModelOutput:
        """The model's own output for one text [1, n], of which `real` is no padding, in the current run.

        Raises:
            ValueError: There is padding to the left of a text that is read in both directions.
        """
        run = RUN.get()
        run.token_ids = tuple(token_ids[0, real].tolist())
        run.begin(real, is_causal=self.is_causal, averages_nothing=self._averages_nothing)
        options: dict[str, Any] = {"use_cache": False} if self.is_causal else {}
        if real.start and not self.is_causal:
            raise ValueError("the tokenizer pads to the left: set its padding_side to right")
        if real.start:  # the text itself is at places 0, 1, ..., as its references are
            places = torch.arange(token_ids.shape[1], device=token_ids.device) - real.start
            options["position_ids"] = places.clamp(min=0)[None]
        return self.stack(input_ids=token_ids, output_hidden_states=True, **options)


def stack_of(model: PreTrainedModel) -> PreTrainedModel:
    """The stack of layers that reads texts, of a model with a head or with eyes."""
    stack = model
    for wrapper in WRAPPERS:
        inner = getattr(stack, wrapper, None)
        stack = inner if isinstance(inner, PreTrainedModel) else stack
    return stack


def own_forward_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    position_bias: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of one text [1, heads, n, d], by the current run."""
    layer = AttentionLayer(
        scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        window=sliding_window,
        soft_cap=softcap,
        bias=None if position_bias is None else position_bias[0],
    )
    attended = RUN.get().attend(query[0], (key[0], value[0]), layer)
    return attended[None].transpose(1, 2).contiguous(), None


AttentionInterface.register(OWN_FORWARD, own_forward_attention)
# No mask is made: the attention knows which tokens are the text's, and what each of them sees.
AttentionMaskInterface.register(OWN_FORWARD, lambda *_, **__: None)
