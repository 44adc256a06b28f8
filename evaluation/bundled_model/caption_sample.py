"""Captions such as the bundled model was trained on, drawn by lot."""

from random import Random

from fan_model.studio.posters.captions import LOOSE, write_caption
from fan_model.studio.posters.poster import sample_spec


def sample_captions(number: int, seed: int) -> list[str]:
    """Write distinct captions; no person's texts are among them.

    Args:
        number: how many.
        seed: of everything about them.
    """
    random = Random(seed)
    captions: dict[str, None] = {}
    while len(captions) < number:
        captions[write_caption(sample_spec(random), random, LOOSE)] = None
    return list(captions)
