"""Personalized encoding at CLIP-L size (12 layers, 768 wide, 77 tokens, random weights)."""

from collections.abc import Sequence
from functools import cache

import torch
from transformers import CLIPTextConfig, CLIPTextModel

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.personalized_encoders import ClipEncoder, Preference
from fan_model.method.crowd_contrast import normalize_weights
from tests.benchmarks.direct import NAME, personalize_directly
from tests.benchmarks.registry import Measurement, alternate, benchmark, cpu_seconds, peak_mib, seconds

NUM_TOKENS = 77
ALPHA = 0.4
CONTRAST = 0.6
BATCH = 8
CACHE_BYTES = 2**30
PLAIN = "2 + R sequences per target"


@cache
def clip_l(attention: str = "sdpa") -> CLIPTextModel:
    torch.manual_seed(0)
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49_408,
            hidden_size=768,
            intermediate_size=3_072,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=NUM_TOKENS,
            eos_token_id=49_407,
        )
    ).eval()
    model.set_attn_implementation(attention)
    return model


class Case:
    """Targets with R references each, drawn from a pool of distinct ones, all as token ids."""

    def __init__(self, *, num_targets: int, num_distinct: int, num_references: int) -> None:
        torch.manual_seed(1)
        self.num_targets = num_targets
        self.target_ids = torch.randint(1, 49_000, (num_targets, NUM_TOKENS))
        self.reference_ids = torch.randint(1, 49_000, (num_distinct, NUM_TOKENS))
        self.chosen = torch.stack([torch.randperm(num_distinct)[:num_references] for _ in range(num_targets)])
        self.weights = torch.rand(num_targets, num_references) + 0.1
        self.encoder = ClipEncoder(clip_l())

    def plainly(self, targets: slice = slice(None)) -> torch.Tensor:
        references = self.reference_ids[self.chosen[targets]]
        stack = clip_l(NAME)
        return personalize_directly(
            stack, self.target_ids[targets], references, self.weights[targets], alpha=ALPHA
        )

    def ours(self, cache: KeyValueCache, crowd: Sequence[int] = ()) -> torch.Tensor:
        """Personalize every target; with a crowd, places of its texts among the references, by contrast."""
        batches = torch.arange(self.num_targets).split(BATCH)
        return torch.cat([self._batch(rows.tolist(), cache, crowd) for rows in batches])

    def _batch(self, rows: Sequence[int], cache: KeyValueCache, crowd: Sequence[int]) -> torch.Tensor:
        chosen = {row: self.chosen[row].tolist() for row in rows}
        targets = [("target", row) for row in rows]
        references = [("reference", j) for row in rows for j in (*chosen[row], *crowd)]
        streams = cache.get([*targets, *references], self._record)
        preferences = [
            Preference(
                streams["target", row],
                [streams["reference", j] for j in (*chosen[row], *crowd)],
                [*normalize_weights(self.weights[row].tolist()), *[-1 / len(crowd) for _ in crowd]],
                strength=CONTRAST if crowd else None,
            )
            for row in rows
        ]
        return self.encoder.normalize(self.encoder.personalize(preferences, alpha=ALPHA)[-1])

    def _record(self, keys):
        ids = torch.stack(
            [(self.target_ids if kind == "target" else self.reference_ids)[i] for kind, i in keys]
        )
        return [stream for batch in ids.split(BATCH) for stream in self.encoder.record(batch, first_layer=1)]


def assert_same(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def warm(num_references: int) -> Measurement:
    case = Case(num_targets=8, num_distinct=64, num_references=num_references)
    before, cache = peak_mib(), KeyValueCache(CACHE_BYTES)
    encoded = case.ours(cache)
    peak = peak_mib() - before
    assert_same(encoded, case.plainly())
    plain, ours = alternate(case.plainly, lambda: case.ours(cache))
    work_ratio = cpu_seconds(case.plainly) / cpu_seconds(lambda: case.ours(cache))
    remark = (
        f"{work_ratio:.1f} times less processor time; "
        f"cache {cache.num_bytes / 2**20:.0f} MiB of {cache.max_bytes / 2**20:.0f}"
    )
    return Measurement(1e3 * plain / 8, 1e3 * ours / 8, "ms per target", peak, remark)


@benchmark("encode_warm_10", plain=PLAIN, ours="recorded references")
def encode_warm_10() -> Measurement:
    return warm(10)


@benchmark("encode_warm_26", plain=PLAIN, ours="recorded references")
def encode_warm_26() -> Measurement:
    return warm(26)


@benchmark("encode_contrast_20", plain="20 recorded references", ours="and a crowd of 6")
def encode_contrast_20() -> Measurement:
    """What contrast costs: six texts more are attended, recorded once for everybody."""
    case = Case(num_targets=8, num_distinct=70, num_references=20)
    before, cache = peak_mib(), KeyValueCache(CACHE_BYTES)
    crowd = range(64, 70)
    case.chosen %= 64
    case.ours(cache, crowd)
    peak = peak_mib() - before
    plain, ours = alternate(lambda: case.ours(cache), lambda: case.ours(cache, crowd))
    work = cpu_seconds(lambda: case.ours(cache, crowd)) / cpu_seconds(lambda: case.ours(cache))
    remark = f"{work:.2f} times the processor time"
    return Measurement(1e3 * plain / 8, 1e3 * ours / 8, "ms per target", peak, remark)


@benchmark("encode_cold", plain=PLAIN, ours="each text recorded once")
def encode_cold() -> Measurement:
    """200 targets with 26 of 400 distinct references each; the plain way is timed on every 25th target."""
    case = Case(num_targets=200, num_distinct=400, num_references=26)
    before = peak_mib()
    ours = seconds(lambda: case.ours(KeyValueCache(2 * CACHE_BYTES)), passes=1)
    peak = peak_mib() - before
    plain = seconds(lambda: case.plainly(slice(None, None, 25)), passes=1)
    return Measurement(1e3 * plain / 8, 1e3 * ours / 200, "ms per target", peak, "nothing encoded before")
