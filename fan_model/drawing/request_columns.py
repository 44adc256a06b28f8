"""Arguments of the library as columns of requests: a value of each field for each prompt."""

from collections.abc import Iterator, Sequence
from typing import Any

Texts = Sequence[str]
Weights = Sequence[float] | None


def request_columns(
    prompt: str | Texts,
    references: Texts | Sequence[Texts],
    weights: Weights | Sequence[Weights],
    seed: int | Sequence[int],
) -> dict[str, Sequence[Any]]:
    """The fields of requests, by their names, with a value for each prompt."""
    if isinstance(prompt, str):
        return {"prompt": [prompt], "references": [references], "weights": [weights], "seed": [seed]}
    return {
        "prompt": prompt,
        "references": references or [()] * len(prompt),
        "weights": weights or [None] * len(prompt),
        "seed": [seed] * len(prompt) if isinstance(seed, int) else seed,
    }


def batches_of(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Items in their order, at most so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
