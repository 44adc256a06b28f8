"""The invariants of the paper's section 3.2, for CLIP and T5, and what threads may rely on."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fan_model.encoders.personalized_encoders import (
    ClipEncoder,
    Preference,
    T5Encoder,
    first_personalized_layer,
)
from fan_model.method.crowd_contrast import normalize_weights
from tests.benchmarks.direct import NAME, personalize_directly
from tests.fan_model.pipelines import clip_text_model, t5_model

NUM_TOKENS = 12
MODELS = {"CLIP": clip_text_model(), "T5": t5_model().encoder}
ENCODERS = {"CLIP": ClipEncoder(MODELS["CLIP"]), "T5": T5Encoder(MODELS["T5"])}
# Sums of the same numbers in another order.
CLOSE = {"rtol": 0, "atol": 1e-5}

encoders = st.sampled_from(sorted(ENCODERS)).map(ENCODERS.__getitem__)
alphas = st.floats(0, 1)
weight_lists = st.lists(st.floats(0.01, 100), min_size=1, max_size=5)
skips = st.sets(st.integers(0, 2), max_size=2)
seeds = st.integers(0, 1000)


def random_ids(seed, *shape):
    return torch.randint(3, 60, (*shape, NUM_TOKENS), generator=torch.Generator().manual_seed(seed))


def personalize(encoder, target_ids, reference_ids, weights, alpha, skip_layers=(0,), start_ids=None):
    """Last states [b, n, w] for ids [b, n], [b, r, n] and weights [b][r]."""
    first = first_personalized_layer(skip_layers)
    starts = [None] * len(target_ids) if start_ids is None else encoder.record(start_ids, first_layer=first)
    preferences = [
        Preference(target, encoder.record(references, first_layer=first), normalize_weights(of_target), start)
        for target, references, of_target, start in zip(
            encoder.record(target_ids, first_layer=first), reference_ids, weights, starts, strict=True
        )
    ]
    return encoder.personalize(preferences, alpha=alpha, skip_layers=skip_layers)[-1]


def plain(encoder, ids):
    return encoder.encode(ids)[-1]


def test_a_preference_that_is_given_twice_is_attended_once_in_each_layer(monkeypatch):
    attended, encoder = [], ENCODERS["CLIP"]
    attend = Preference.attend

    def count(preference, query, layer, *how):
        attended.append((id(preference), layer))
        return attend(preference, query, layer, *how)

    monkeypatch.setattr(Preference, "attend", count)
    (first, second, *references) = encoder.record(random_ids(1, 4), first_layer=1)
    one, other = (Preference(target, references, [0.5, 0.5], None) for target in (first, second))
    both = encoder.personalize([one, other, other, other], alpha=0.4)[-1]
    assert len(attended) == len(set(attended)) == 2 * (len(encoder.layers) - 1)
    assert both[1].equal(both[2])


@settings(deadline=None, max_examples=25)
@given(encoders, weight_lists, skips, seeds)
def test_alpha_zero_is_the_plain_encoding(encoder, weights, skip_layers, seed):
    target, references = random_ids(seed, 1), random_ids(seed + 1, 1, len(weights))
    states = personalize(encoder, target, references, [weights], 0.0, skip_layers)
    torch.testing.assert_close(states, plain(encoder, target), **CLOSE)


@settings(deadline=None, max_examples=25)
@given(encoders, alphas, weight_lists, skips, seeds)
def test_references_equal_to_the_target_are_the_plain_encoding(encoder, alpha, weights, skip_layers, seed):
    target = random_ids(seed, 1)
    references = target[:, None].expand(1, len(weights), NUM_TOKENS)
    states = personalize(encoder, target, references, [weights], alpha, skip_layers)
    torch.testing.assert_close(states, plain(encoder, target), **CLOSE)


@settings(deadline=None, max_examples=25)
@given(encoders, alphas, weight_lists, st.floats(0.01, 100), seeds)
def test_a_common_factor_of_the_weights_changes_nothing(encoder, alpha, weights, factor, seed):
    target, references = random_ids(seed, 1), random_ids(seed + 1, 1, len(weights))
    states = personalize(encoder, target, references, [weights], alpha)
    scaled = personalize(encoder, target, references, [[factor * weight for weight in weights]], alpha)
    torch.testing.assert_close(scaled, states, **CLOSE)


@settings(deadline=None, max_examples=25)
@given(encoders, alphas, weight_lists, seeds, st.randoms(use_true_random=False))
def test_the_order_of_references_changes_nothing(encoder, alpha, weights, seed, random):
    target, references = random_ids(seed, 1), random_ids(seed + 1, 1, len(weights))
    order = random.sample(range(len(weights)), len(weights))
    states = personalize(encoder, target, references, [weights], alpha)
    shuffled = personalize(encoder, target, references[:, order], [[weights[i] for i in order]], alpha)
    torch.testing.assert_close(shuffled, states, **CLOSE)


@settings(deadline=None, max_examples=25)
@given(encoders, alphas, st.integers(1, 4), st.integers(1, 4), skips, seeds)
def test_a_target_does_not_depend_on_its_batch(
    encoder, alpha, num_targets, num_references, skip_layers, seed
):
    targets, references = random_ids(seed, num_targets), random_ids(seed + 1, num_targets, num_references)
    weights = [[1.0 + i for i in range(num_references)]] * num_targets
    together = personalize(encoder, targets, references, weights, alpha, skip_layers)
    for i in range(num_targets):
        row = slice(i, i + 1)
        alone = personalize(encoder, targets[row], references[row], weights[row], alpha, skip_layers)
        torch.testing.assert_close(together[row], alone, **CLOSE)


@pytest.mark.parametrize("family", ENCODERS)
@pytest.mark.parametrize("skip_layers", [(), (0,), (1,), (0, 2)])
def test_sharing_recorded_references_equals_the_direct_way(family, skip_layers):
    targets, references = random_ids(1, 3), random_ids(2, 3, 4)
    weights = torch.rand(3, 4, generator=torch.Generator().manual_seed(3)) + 0.1
    ours = personalize(ENCODERS[family], targets, references, weights.tolist(), 0.4, skip_layers)
    stack = copy.deepcopy(MODELS[family])
    stack.set_attn_implementation(NAME)
    direct = personalize_directly(stack, targets, references, weights, alpha=0.4, skip_layers=skip_layers)
    ours = ENCODERS["CLIP"].normalize(ours) if family == "CLIP" else ours
    torch.testing.assert_close(ours, direct, **CLOSE)


@pytest.mark.parametrize("family", ENCODERS)
def test_the_given_model_keeps_its_attention_and_its_weights(family):
    model, encoder = MODELS[family], ENCODERS[family]
    assert model.config._attn_implementation == "sdpa"
    assert {p.data_ptr() for p in encoder.stack.parameters()} == {p.data_ptr() for p in model.parameters()}


@pytest.mark.parametrize("family", ENCODERS)
def test_eight_threads_on_one_model_give_the_bytes_of_one(family):
    encoder = ENCODERS[family]

    def work(seed):
        target, references = random_ids(seed, 1), random_ids(seed + 1, 1, 3)
        return personalize(encoder, target, references, [[1.0, 2.0, 3.0]], 0.5)

    alone = [work(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(work, range(16)))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


def test_a_stream_keeps_only_what_its_queries_need():
    (whole,), (short,) = (ENCODERS["CLIP"].record(random_ids(0, 1), first_layer=layer) for layer in (0, 2))
    assert len(whole.keys) == 3
    assert len(short.keys) == 1
    assert short.num_bytes < whole.num_bytes / 2
    torch.testing.assert_close(short.at(2), whole.at(2))


def test_an_empty_start_forgets_the_target_where_alpha_is_one_only():
    target, references, empty = random_ids(0, 1), random_ids(1, 1, 2), random_ids(5, 1)
    other_target = random_ids(9, 1)
    encoder = ENCODERS["CLIP"]
    one, other = (
        personalize(encoder, ids, references, [[1.0, 1.0]], 1.0, start_ids=empty)
        for ids in (target, other_target)
    )
    torch.testing.assert_close(one, other, **CLOSE)
    mixed = personalize(encoder, other_target, references, [[1.0, 1.0]], 0.5, start_ids=empty)
    assert not torch.allclose(mixed, other, atol=1e-3)
