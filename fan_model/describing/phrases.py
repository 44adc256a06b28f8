"""A model's answer as style phrases: one line of limited length, without anything that cannot be read.

What a model says may repeat what is written on a picture, and a picture is foreign: its words are words here.
"""

import re
from collections.abc import Iterator

ENDS_OF_PHRASES = re.compile(r"[,;|\n\r\u2022]+|(?<=[^\W\d])[.!?](?=\s|$)")
EDGES = " -*#_`~>\"'\u201c\u201d\u2018\u2019:."
"""Bullets, quotes and marks of emphasis around a phrase."""
BEGINNING = re.compile(rf"^(?:[{re.escape(EDGES)}]|\d{{1,2}}[.)]\s+)+")
"""The same, and numbers of a list, before one."""
ENDINGS = EDGES + "!?"
"""The same, and what else ends a sentence, after one."""
UNREADABLE = "\ufffd"
"""What a decoder writes for bytes that are no sign."""


def clean_phrases(answer: str, *, most: int, longest: int) -> str:
    """Return the phrases of an answer, in their order and each once, joined by commas.

    Args:
        answer: what the model said, on any number of lines.
        most: phrases, of which the first count.
        longest: characters in all; a first phrase that is longer is cut between words.

    Returns:
        One line of printable signs; empty if the answer has no words.
    """
    kept: dict[str, str] = {}
    for phrase in _phrases(answer):
        if len(kept) == most or len(", ".join([*kept.values(), phrase])) > longest:
            break
        kept.setdefault(phrase.casefold(), phrase)
    if kept:
        return ", ".join(kept.values())
    return _cut(next(_phrases(answer), ""), longest)


def _phrases(answer: str) -> Iterator[str]:
    """Yield what stands between commas, ends of sentences and ends of lines, if it has a letter or digit."""
    readable = "".join(sign if _can_be_read(sign) else " " for sign in answer)
    for part in ENDS_OF_PHRASES.split(readable):
        phrase = BEGINNING.sub("", " ".join(part.split())).rstrip(ENDINGS)
        if any(sign.isalnum() for sign in phrase):
            yield phrase


def _can_be_read(sign: str) -> bool:
    return sign in "\n\r" or (sign.isprintable() and sign != UNREADABLE)


def _cut(phrase: str, longest: int) -> str:
    """Shorten a phrase between words, or inside the first one if that alone is too long."""
    if len(phrase) <= longest:
        return phrase
    whole, _, _ = phrase[: longest + 1].rpartition(" ")
    return (whole or phrase[:longest]).rstrip(ENDINGS)
