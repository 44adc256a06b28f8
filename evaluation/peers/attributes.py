"""Attributes of texts by rule: what stands in for a language model where there is none.

An attribute is a word that a text has after its first comma, for what stands before it names the item; a text
without a comma is all attributes. Numbers and the commonest small words are none.
"""

import re
from collections.abc import Sequence

WORD = re.compile(r"[^\W\d_](?:[\w'-]*\w)?")
SMALL_WORDS = frozenset(
    "a an and as at by for from in into is it its of on or that the this to was with".split()  # noqa: SIM905
)


def attributes_of(text: str) -> tuple[str, ...]:
    """The distinct attributes of a text, in their order, in lower case."""
    _, comma, rest = text.partition(",")
    return words_of(rest if comma else text)


def words_of(text: str) -> tuple[str, ...]:
    """The distinct words of a text, in their order, in lower case."""
    words = WORD.findall(text.lower())
    return tuple(dict.fromkeys(word for word in words if word not in SMALL_WORDS))


def attribute_shares(texts: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    """For each attribute the share of all weight whose texts have it, 0 to 1; the largest first.

    Equal ones come in the order in which they are met.
    """
    total = sum(weights)
    shares: dict[str, float] = {}
    for text, weight in zip(texts, weights, strict=True):
        for attribute in attributes_of(text):
            shares[attribute] = shares.get(attribute, 0.0) + weight / total
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


def add_attributes(prompt: str, attributes: Sequence[str], max_characters: int) -> str:
    """A prompt with attributes behind it, as many as there is room for."""
    for attribute in attributes:
        longer = f"{prompt}, {attribute}"
        if len(longer) > max_characters:
            break
        prompt = longer
    return prompt
