"""Whose picture is which? Pictures of an item and tastes, each in an order of its own, to be matched.

What the eye finds without being told is what personalization is worth; a guess gets one right, whatever the
number of pictures.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from fan_model.drawing.visible_change import least_alike, read_cells
from feature_store.lake.stored_files import StoredFiles
from feature_store.tables.published import PublishedPicture

MOST_PICTURES = 6
"""Of an item: more are tiring to match."""


@dataclass(frozen=True)
class BlindMatching:
    """The pictures of one item for several users, and what sets these users apart."""

    pictures: Sequence[PublishedPicture]
    """In the order in which they are shown, lettered from A."""
    tastes: Sequence[PublishedPicture]
    """The same in the order in which their words are shown, numbered from 1."""

    @property
    def answers(self) -> list[tuple[str, int]]:
        """Letter and number of each pair that belongs together."""
        numbers = {picture.user_key: number for number, picture in enumerate(self.tastes, start=1)}
        return [
            (letter, numbers[picture.user_key])
            for letter, picture in zip(ascii_uppercase, self.pictures, strict=False)
        ]


def blind_matching(pictures: Sequence[PublishedPicture], files: StoredFiles) -> BlindMatching | None:
    """Make a matching of an item's personal pictures: with words that differ, those that look least alike.

    Args:
        pictures: of one item, each of another user.
        files: where they are.

    Returns:
        The matching, whose orders are the same for the same pictures; None if fewer than two tastes differ.
    """
    # What a user borrows from others says nothing of the user.
    own = [picture for picture in pictures if picture.words and not picture.is_borrowed]
    apart = {_say(picture): picture for picture in reversed(own)}
    told = [picture for picture in own if apart[_say(picture)] is picture]
    shown = [(picture, look) for picture in told if (look := _look(picture, files)) is not None]
    chosen = [shown[place][0] for place in least_alike([look for _, look in shown], MOST_PICTURES)]
    if len(chosen) < 2:
        return None
    return BlindMatching(_shuffle(chosen, "picture"), _shuffle(chosen, "taste"))


def _look(picture: PublishedPicture, files: StoredFiles) -> NDArray[np.float64] | None:
    """Read a picture as the eye sees it; None if it is damaged or gone, which `fan doctor` tells."""
    content = files.read(picture.image_path) if picture.image_path else None
    try:
        return read_cells(content) if content else None
    except OSError:
        return None


def _say(picture: PublishedPicture) -> str:
    return ", ".join(map(str, picture.words))


def _shuffle(pictures: Sequence[PublishedPicture], salt: str) -> list[PublishedPicture]:
    """Put them in an order that tells nothing, and is the same every time."""

    def lot(picture: PublishedPicture) -> bytes:
        return hashlib.sha256(f"{salt} {picture.item_id} {picture.user_key}".encode()).digest()

    return sorted(pictures, key=lot)
