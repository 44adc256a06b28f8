"""Where the pictures of an evaluation are."""

from collections.abc import Mapping
from typing import Protocol

from fan_model.drawing.artist import ArtworkRequest, DrawingOptions


class Pictures(Protocol):
    """Where pictures are drawn to and read from, by the digest of what they are made of."""

    def is_known(self, digest: str) -> bool:
        """Tell whether a picture was drawn, or refused, and need not be asked for again."""

    def draw(self, requests: Mapping[str, ArtworkRequest], options: DrawingOptions) -> object:
        """Draw pictures; one that the model refuses or cannot draw is none."""

    def keep(self, digest: str, content: bytes) -> None:
        """Keep the file of a picture that was drawn elsewhere; empty: it was refused."""

    def read(self, digest: str) -> bytes | None:
        """Read a picture's file; None if there is none."""
