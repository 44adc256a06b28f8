"""Personalized encoding by a language model at Qwen3-0.6B's shape (28 layers, 1024 wide, random weights)."""

from functools import cache

import torch
from transformers import Qwen3Config, Qwen3Model

from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.language_models import ForwardRun, LanguageModel, running
from fan_model.encoders.personalized_encoders import ClipEncoder, Preference
from fan_model.method.attention import personalized_shares
from tests.benchmarks.bench_encode import ALPHA, CACHE_BYTES, NUM_TOKENS, PLAIN, clip_l
from tests.benchmarks.registry import Measurement, benchmark, cpu_seconds, peak_mib

PASSES = 3
MAX_TOKENS = 512
"""What the pipelines pad prompts to."""


@cache
def qwen3() -> LanguageModel:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=2_000,
        hidden_size=1_024,
        intermediate_size=3_072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
    )
    return LanguageModel(Qwen3Model(config).eval(), is_causal=True)


def forward(token_ids: torch.Tensor, run: ForwardRun) -> torch.Tensor:
    with running(run):
        return qwen3().forward(token_ids[None], slice(0, len(token_ids))).last_hidden_state


def texts(number: int, num_tokens: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return list(torch.randint(1, 1_999, (number, num_tokens)))


def least_cpu_seconds(work) -> float:
    return min(cpu_seconds(work) for _ in range(PASSES))


def of_clip(num_references: int) -> float:
    """How many plain encodings one target of CLIP L costs, with recorded references."""
    encoder, ids = ClipEncoder(clip_l()), torch.randint(1, 49_000, (num_references + 1, NUM_TOKENS))
    target, *references = encoder.record(ids, first_layer=1)
    preference = Preference(target, references, [1 / num_references] * num_references)
    plain = least_cpu_seconds(lambda: encoder.encode(ids[:1]))
    return least_cpu_seconds(lambda: encoder.personalize([preference], alpha=ALPHA)) / plain


def of_language_model(num_references: int) -> Measurement:
    target, *others = texts(num_references + 1, NUM_TOKENS)
    before, cache = peak_mib(), KeyValueCache(CACHE_BYTES)

    def record(places):
        runs = [ForwardRun(records=True) for _ in places]
        for place, run in zip(places, runs, strict=True):
            forward([target, *others][place], run)
        return [run.recording(1) for run in runs]

    recorded = cache.get(range(num_references + 1), record)
    shares = personalized_shares([1 / num_references] * num_references, ALPHA)
    sources = [recorded[place] for place in range(num_references + 1)]
    plain = least_cpu_seconds(lambda: forward(target, ForwardRun()))
    ours = least_cpu_seconds(lambda: forward(target, ForwardRun(sources, shares, (0,))))
    remark = (
        f"{ours / plain:.2f} plain encodings, CLIP L {of_clip(num_references):.2f}; "
        f"cache {cache.num_bytes / 2**20:.0f} MiB of {cache.max_bytes / 2**20:.0f}"
    )
    way = 1e3 * plain * (2 + num_references)
    return Measurement(way, 1e3 * ours, "CPU ms per target", peak_mib() - before, remark)


@benchmark("language_model_warm_10", plain=PLAIN, ours="recorded references")
def language_model_warm_10() -> Measurement:
    return of_language_model(10)


@benchmark("language_model_warm_26", plain=PLAIN, ours="recorded references")
def language_model_warm_26() -> Measurement:
    return of_language_model(26)


@benchmark("language_model_memory", plain="every text kept", ours="within the budget")
def language_model_memory() -> Measurement:
    """Memory of recorded texts of 512 tokens, of which the budget holds four."""
    one = 27 * 2 * 8 * MAX_TOKENS * 128 * 4
    given, before = texts(8, MAX_TOKENS), peak_mib()
    cache = KeyValueCache(4 * one)

    def record(places):
        run = ForwardRun(records=True)
        forward(given[places[0]], run)
        return [run.recording(1)]

    for place in range(len(given)):
        cache.get([place], record)
    assert cache.num_bytes <= cache.max_bytes
    held = f"{len(cache)} texts in {cache.num_bytes / 2**20:.0f} MiB of {cache.max_bytes / 2**20:.0f}"
    return Measurement(8 * one / 2**20, cache.num_bytes / 2**20, "MiB", peak_mib() - before, held)
