"""DrUM's adapter: a small transformer from a target's and references' conditions to a personalized one.

The equations are in `drum`, with what the published adapter has in their place. Legend: b batch,
k references, n tokens, w width of the condition, h width inside the adapter.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

WIDEST, LAYERS, HEADS = 128, 2, 4
"""Inside the adapter, however wide the condition is: its file stays below 4 MB for every encoder."""


class AdapterFileError(ValueError):
    """A file that holds no adapter, or that of another text encoder."""


@dataclass(frozen=True, kw_only=True)
class AdapterOrigin:
    """What an adapter's weights came of."""

    encoder_fingerprint: str
    """Of the text encoders whose conditions it takes."""
    seed: int
    num_steps: int
    num_captions: int
    minutes: float
    """What the training took, on the machine that trained it."""


class ConditionAdapter(nn.Module):
    """Personalizes a condition; at alpha 0 it leaves the target as it is.

    Args:
        common: [n, w] what the conditions of all captions have in common, position by position; [1, w] the
            same for all positions.
    """

    def __init__(self, common: Tensor) -> None:
        super().__init__()
        self.common: Tensor
        width = common.shape[-1]
        inner = min(width, WIDEST)
        self.register_buffer("common", common)
        self.read = nn.Linear(width, inner)
        self.merge = nn.Linear(inner, inner)
        self.blocks = nn.ModuleList(_AdapterBlock(inner) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(inner)
        self.write = nn.Linear(inner, width)
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(self, target: Tensor, references: Tensor, weights: Tensor, alpha: Tensor) -> Tensor:
        """The personalized condition [b, n, w].

        Args:
            target: [b, n, w].
            references: [b, k, n, w].
            weights: [b, k], each row summing to 1; a reference of weight 0 is not heard.
            alpha: [b] degree of personalization, 0 to 1.
        """
        target, references = target - self.common, references - self.common
        mean = torch.einsum("bk,bkni->bni", weights, references)
        own, others = self.read(target), self.read(references)
        states = own + self.merge(self.read(mean))
        for block in self.blocks:
            states = block(states, own, others, weights, alpha)
        degree = alpha[:, None, None]
        moved = target.lerp(mean, degree) + degree * self.write(self.norm(states))
        return self.common + F.normalize(moved, dim=-1) * target.norm(dim=-1, keepdim=True)

    @property
    def num_parameters(self) -> int:
        """All weights, with what captions have in common."""
        return sum(weight.numel() for weight in self.state_dict().values())

    @property
    def fingerprint(self) -> str:
        """Checksum over the weights."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().half().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


class _AdapterBlock(nn.Module):
    """Attention to the target and to each reference, each under its own softmax; then a small network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.sources = nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, states: Tensor, own: Tensor, others: Tensor, weights: Tensor, alpha: Tensor) -> Tensor:
        """States [b, n, h], having heard the target [b, n, h] and the references [b, k, n, h]."""
        query = self.query(self.before_attention(states))[:, None]
        from_target = self._attend(query, own[:, None])[:, 0]
        from_references = torch.einsum("bk,bknh->bnh", weights, self._attend(query, others))
        heard = from_target.lerp(from_references, alpha[:, None, None])
        states = states + self.out(heard)
        return states + self.network(self.before_network(states))

    def _attend(self, query: Tensor, sources: Tensor) -> Tensor:
        """[b, k, n, h] what the query [b, 1, n, h] reads in each source [b, k, n, h]."""
        key, value = self.key_value(self.sources(sources)).chunk(2, dim=-1)
        heard = F.scaled_dot_product_attention(_split(query.expand_as(key)), _split(key), _split(value))
        return heard.transpose(-3, -2).flatten(-2)


def save_adapter(adapter: ConditionAdapter, origin: AdapterOrigin, file: Path) -> None:
    """Write the weights in half precision, with what they came of."""
    weights = {name: weight.detach().half().contiguous() for name, weight in adapter.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".tmp")
    save_file(weights, aside, metadata={name: str(value) for name, value in asdict(origin).items()})
    aside.replace(file)


def load_adapter(file: Path, encoder_fingerprint: str) -> tuple[ConditionAdapter, AdapterOrigin]:
    """Load an adapter that was trained for a text encoder.

    Raises:
        AdapterFileError: The file holds none, or one of another encoder.
    """
    origin, weights = _read(file)
    if origin.encoder_fingerprint != encoder_fingerprint:
        raise AdapterFileError(
            f"{file.name} is the adapter of another text encoder: train one with `fan train-adapter`"
        )
    adapter = ConditionAdapter(weights["common"].float())
    adapter.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return adapter.eval(), origin


def _read(file: Path) -> tuple[AdapterOrigin, Mapping[str, Tensor]]:
    try:
        with safe_open(file, "pt") as opened:
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
            return _parse(opened.metadata() or {}), weights
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise AdapterFileError(f"{file.name} holds no adapter: train one with `fan train-adapter`") from error


def _parse(metadata: Mapping[str, Any]) -> AdapterOrigin:
    return AdapterOrigin(
        encoder_fingerprint=metadata["encoder_fingerprint"],
        seed=int(metadata["seed"]),
        num_steps=int(metadata["num_steps"]),
        num_captions=int(metadata["num_captions"]),
        minutes=float(metadata["minutes"]),
    )


def _split(states: Tensor) -> Tensor:
    """[b, k, heads, n, h / heads]."""
    return states.reshape(*states.shape[:-1], HEADS, -1).transpose(-3, -2)
