"""Pre-trained encoders as the method needs them: plain streams, and the personalized query.

Target and references never look at the personalized query. Their keys and values are therefore recorded
once, by the model's own forward, and only the personalized query runs per target: layer by layer, with the
encoder's own projections, norms and feed-forward blocks, attending recorded keys and values in place of its
own, which it never needs to compute.

Nothing is patched: an encoder here is a twin of the given model that shares its weights and has its own
attention setting; the given model keeps its own.

Legend: b batch, n tokens, w width, h heads, d head size, L layers.
"""

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from fan_model.encoders.breaks import take_break
from fan_model.encoders.linear_layers import multiply_by_one_dnn
from fan_model.method.attention import (
    RECORDING,
    Attention,
    KeysValues,
    SharedSum,
    contrasted_attention,
    personalized_attention,
)


@dataclass(frozen=True)
class Stream:
    """One plain text or image on its way through the encoder, as far as others need to see it."""

    first_layer: int
    """Layer at which `start` stands; earlier layers are not kept."""
    start: Tensor
    """[n, w] states that enter `first_layer`."""
    keys: Tensor
    """[L - first_layer, h, n, d]"""
    values: Tensor
    """[L - first_layer, h, n, d]"""

    def at(self, layer: int) -> KeysValues:
        """Keys and values of one layer."""
        return self.keys[layer - self.first_layer], self.values[layer - self.first_layer]

    @property
    def num_bytes(self) -> int:
        """Memory that it holds."""
        return sum(tensor.nbytes for tensor in (self.start, self.keys, self.values))


@dataclass(frozen=True)
class Preference:
    """A target, and the weighted references that pull it towards a user's taste."""

    target: Stream
    references: Sequence[Stream]
    weights: Sequence[float]
    """One per reference, above 0, summing to 1; of a contrast what each text counts for, summing to 0."""
    start: Stream | None = None
    """Where the personalized query starts; the target if not given. The empty text is the paper's ablation
    "without target query"."""
    strength: float | None = None
    """Of the contrast with a crowd, whose texts are among the references; None: the paper's way."""

    def attend(self, query: Tensor, layer: int, alpha: float, attention: SharedSum) -> Tensor:
        """What the personalized query [h, n, d] attends in a layer; `alpha` is of the paper's way."""
        target = self.target.at(layer)
        references = [reference.at(layer) for reference in self.references]
        if self.strength is None:
            return personalized_attention(query, target, references, self.weights, alpha, attention)
        return contrasted_attention(query, target, references, self.weights, self.strength, attention)


def first_personalized_layer(skip_layers: Collection[int]) -> int:
    """The first layer that is not skipped: until there the personalized query is what it started as."""
    return next(layer for layer in itertools.count() if layer not in skip_layers)


class Encoder(ABC):
    """A stack of pre-trained transformer layers.

    Hidden states are tuples of [b, n, w] in transformers' order: what enters each layer, then what leaves the
    last.
    """

    def __init__(self, stack: PreTrainedModel) -> None:
        self.stack: Any = make_twin(stack).eval()  # each family's parts have names of their own
        self.stack.set_attn_implementation(RECORDING)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.stack.device

    @property
    @abstractmethod
    def layers(self) -> nn.ModuleList:
        """The stack's layers."""

    @abstractmethod
    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput: ...

    @abstractmethod
    def _query(self, layer: int, states: Tensor) -> Tensor:
        """Q of a layer for states [b, n, w]: [b, h, n, d]."""

    @abstractmethod
    def _finish(self, layer: int, states: Tensor, attended: Tensor) -> Tensor:
        """A layer after its attention `attended` [b, n, h * d]: output projection, residual, feed-forward."""

    @abstractmethod
    def _plain(self, layer: int, states: Tensor) -> Tensor:
        """A whole layer, attending itself."""

    @abstractmethod
    def _attention(self, num_tokens: int) -> SharedSum:
        """This encoder's softmax(Q K' / sqrt(d)) V."""

    def _states(self, inputs: Tensor, recorder: list[KeysValues]) -> tuple[Tensor, ...]:
        states = self._forward(inputs, recorder).hidden_states
        assert states is not None, "the stack was asked for them"
        return tuple(states)

    def _leave(self, states: Tensor) -> Tensor:
        """What transformers reports as the last hidden state, given what leaves the last layer."""
        return states

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Hidden states of plain inputs (token ids [b, n], or pixels [b, channels, height, width])."""
        return self._states(inputs, [])

    @torch.no_grad()
    def record(self, inputs: Tensor, *, first_layer: int = 0) -> list[Stream]:
        """Encode plain inputs and keep what personalized queries will need, one stream per input."""
        recorder: list[KeysValues] = []
        hidden_states = self._states(inputs, recorder)
        keys, values = (torch.stack(tensors[first_layer:], dim=1) for tensors in zip(*recorder, strict=True))
        # Clones, or a stream that stays in the cache would keep its whole batch alive.
        return [
            Stream(first_layer, hidden_states[first_layer][i].clone(), keys[i].clone(), values[i].clone())
            for i in range(len(inputs))
        ]

    @torch.no_grad()
    def personalize(
        self, preferences: Sequence[Preference], *, alpha: float, skip_layers: Collection[int] = (0,)
    ) -> tuple[Tensor, ...]:
        """Run the personalized queries of a batch of targets (the paper's section 3.2).

        Args:
            preferences: b targets with their references, all recorded from the same layer on. One that is
                given twice is attended once: batches are filled up with what is drawn already.
            alpha: Degree of personalization, 0 to 1, of those that are not contrasted.
            skip_layers: Layers in which the personalized query attends itself as usual.

        Returns:
            Hidden states from `first_personalized_layer(skip_layers)` on.
        """
        starts = [preference.start or preference.target for preference in preferences]
        states = torch.stack([stream.start for stream in starts])
        attention = self._attention(states.shape[1])
        hidden_states = [states]
        for layer in range(starts[0].first_layer, len(self.layers)):
            take_break()
            if layer in skip_layers:
                states = self._plain(layer, states)
            else:
                queries, attended = self._query(layer, states), dict[int, Tensor]()
                for query, preference in zip(queries, preferences, strict=True):
                    if id(preference) not in attended:
                        attended[id(preference)] = preference.attend(query, layer, alpha, attention)
                joined = _join_heads(torch.stack([attended[id(one)] for one in preferences]))
                states = self._finish(layer, states, joined)
            hidden_states.append(states)
        hidden_states[-1] = self._leave(states)
        return tuple(hidden_states)


class ClipEncoder(Encoder):
    """CLIP's text encoder (L, H and bigG layouts)."""

    is_causal = True

    @property
    def layers(self) -> nn.ModuleList:
        """The stack's layers."""
        return self.stack.encoder.layers

    @torch.no_grad()
    def normalize(self, states: Tensor) -> Tensor:
        """CLIP's final layer norm."""
        return self.stack.final_layer_norm(states)

    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput:
        return self.stack(input_ids=inputs, output_hidden_states=True, recorder=recorder)

    def _query(self, layer: int, states: Tensor) -> Tensor:
        block: Any = self.layers[layer]
        return _split_heads(block.self_attn.q_proj(block.layer_norm1(states)), block.self_attn.head_dim)

    def _finish(self, layer: int, states: Tensor, attended: Tensor) -> Tensor:
        block: Any = self.layers[layer]
        states = states + block.self_attn.out_proj(attended)
        return states + block.mlp(block.layer_norm2(states))

    def _plain(self, layer: int, states: Tensor) -> Tensor:
        return self.layers[layer](states, attention_mask=None, is_causal=self.is_causal)

    def _attention(self, num_tokens: int) -> SharedSum:
        block: Any = self.layers[0]
        bias = block.self_attn.q_proj.weight.new_zeros(1, num_tokens, num_tokens)
        return Attention.build(num_tokens, scaling=block.self_attn.scale, bias=bias, is_causal=self.is_causal)


class ClipVisionEncoder(ClipEncoder):
    """CLIP's vision tower: an image's patches in place of a text's tokens, and no causality."""

    is_causal = False

    @torch.no_grad()
    def normalize(self, states: Tensor) -> Tensor:
        """CLIP's final layer norm, made for the state of the class token."""
        return self.stack.post_layernorm(states)

    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput:
        return self.stack(pixel_values=inputs, output_hidden_states=True, recorder=recorder)


class T5Encoder(Encoder):
    """T5's encoder: no scaling, a relative position bias shared by all layers, a norm after the last."""

    @property
    def layers(self) -> nn.ModuleList:
        """The stack's layers."""
        return self.stack.block

    def _forward(self, inputs: Tensor, recorder: list[KeysValues]) -> BaseModelOutput:
        return self.stack(input_ids=inputs, output_hidden_states=True, recorder=recorder)

    def _query(self, layer: int, states: Tensor) -> Tensor:
        attention, _ = self._sublayers(layer)
        return _split_heads(attention.SelfAttention.q(attention.layer_norm(states)), self.stack.config.d_kv)

    def _finish(self, layer: int, states: Tensor, attended: Tensor) -> Tensor:
        attention, feed_forward = self._sublayers(layer)
        return feed_forward(states + attention.SelfAttention.o(attended))

    def _plain(self, layer: int, states: Tensor) -> Tensor:
        return self.layers[layer](states, position_bias=self._position_bias(states.shape[1]))[0]

    def _attention(self, num_tokens: int) -> Attention:
        bias = self._position_bias(num_tokens)[0]
        return Attention.build(num_tokens, scaling=1.0, bias=bias, is_causal=False)

    def _leave(self, states: Tensor) -> Tensor:
        return self.stack.final_layer_norm(states)

    def _position_bias(self, num_tokens: int) -> Tensor:
        """[1, h, n, n]; T5 keeps the table in its first layer."""
        attention, _ = self._sublayers(0)
        return attention.SelfAttention.compute_bias(num_tokens, num_tokens)

    def _sublayers(self, layer: int) -> tuple[Any, Any]:
        block: Any = self.layers[layer]
        return block.layer[0], block.layer[-1]


def _split_heads(states: Tensor, head_size: int) -> Tensor:
    """[b, n, h * d] to [b, h, n, d]."""
    return states.view(*states.shape[:-1], -1, head_size).transpose(1, 2)


def _join_heads(states: Tensor) -> Tensor:
    """[b, h, n, d] to [b, n, h * d]."""
    return states.transpose(1, 2).flatten(-2)


def make_twin(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of the model's structure and settings with its very weights, multiplied faster."""
    shared = {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())}
    twin = copy.deepcopy(model, shared)
    multiply_by_one_dnn(twin)
    return twin
