"""Tailored profiling from two stored vectors per reference, against comparing token states."""

import math

import numpy as np

from fan_model.method.profiling import ReferenceVectors, select_references
from tests.benchmarks.registry import Measurement, alternate, benchmark, peak_mib, seconds

WIDTH, NUM_TOKENS = 768, 77
PLAIN, OURS = "cosines of all token pairs", "two stored vectors"


def token_states(num_texts: int) -> np.ndarray:
    """Random states [N, n, d] around a common direction, as an encoder's are."""
    generator = np.random.default_rng(0)
    states = generator.standard_normal((num_texts, NUM_TOKENS, WIDTH), dtype=np.float32)
    states += generator.standard_normal((num_texts, 1, WIDTH), dtype=np.float32)
    states += 2 * generator.standard_normal(WIDTH, dtype=np.float32)
    return states


def select_plainly(target, references, weights, num_references):
    """The two stages of the paper's section 3.3, word for word, on token states."""

    def unit(states):
        return states / np.linalg.norm(states, axis=-1, keepdims=True)

    cosines = np.stack([(unit(target) @ unit(reference).T).mean() for reference in references])
    relevance = weights * cosines
    size = round(math.sqrt(num_references / len(references)) * len(references))
    shortlist = np.argsort(-relevance, kind="stable")[:size]
    means = unit(references[shortlist].mean(axis=1))
    scores = means @ unit(target.mean(axis=0)) / weights[shortlist]
    chosen = []
    for _ in range(num_references):
        open_scores = np.array([np.inf if i in chosen else score for i, score in enumerate(scores)])
        chosen.append(int(open_scores.argmin()))
        scores = np.maximum(scores, means @ means[chosen[-1]] / weights[shortlist])
    return shortlist[chosen]


def measure(history_size: int, num_references: int, *, pairs_at_a_time: int, remark: str) -> Measurement:
    states = token_states(1 + history_size)
    weights = np.random.default_rng(1).random(history_size, dtype=np.float32) + np.float32(0.5)
    vectors = ReferenceVectors.of_tokens(states)
    target, history = vectors[:1], vectors[1:]

    def ours():
        for _ in range(pairs_at_a_time):
            picked = select_references(target, history, weights, num_references=num_references)
        return picked.indices

    def plainly():
        return select_plainly(states[0], states[1:], weights, num_references)

    before = peak_mib()
    np.testing.assert_array_equal(ours(), plainly())
    peak = peak_mib() - before
    plain, own = alternate(plainly, ours)
    tenth = seconds(lambda: select_references(target, history, weights, num_references=history_size // 10))
    own_ms = 1e3 * own / pairs_at_a_time
    return Measurement(
        1e3 * plain, own_ms, "ms per pair", peak, remark.format(rate=1e3 / own_ms, tenth=1e3 * tenth)
    )


@benchmark("profile_100", plain=PLAIN, ours=OURS)
def profile_100() -> Measurement:
    remark = "keep 10 of 100: {rate:.0f} pairs a second on one core"
    return measure(100, 10, pairs_at_a_time=200, remark=remark)


@benchmark("profile_4700", plain=PLAIN, ours=OURS)
def profile_4700() -> Measurement:
    remark = "keep 26 of 4,700; keeping a tenth (470) takes {tenth:.0f} ms"
    return measure(4_700, 26, pairs_at_a_time=20, remark=remark)
