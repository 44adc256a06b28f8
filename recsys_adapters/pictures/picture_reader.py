"""The one reader of items' own pictures (`stock_image_uri`): a picture, or why it is refused."""

import hashlib
from dataclasses import dataclass

from PIL import Image

from recsys_adapters.pictures.picture_bytes import read_bytes
from recsys_adapters.pictures.picture_pixels import decode_picture
from recsys_adapters.pictures.picture_places import PicturePlaces
from recsys_adapters.pictures.picture_rules import (
    PictureRules,
    Refusal,
    RefusedPicture,
    RefusedPictureError,
)


@dataclass(frozen=True)
class ItemPicture:
    """A picture of an item."""

    image: Image.Image
    """RGB, upright, its shorter side at most `KEPT_SIDE` pixels."""
    sha256: str
    """Of its file, in hexadecimal: what it is known by, wherever it lies."""


class PictureReader:
    """Reads pictures by path or address; may be shared between threads.

        reader = PictureReader(PictureRules(allowed=("/data/covers", "https://cdn.example.org/covers")))
        picture = reader.read("0108775015.jpg")

    Args:
        rules: Which pictures are read.
    """

    def __init__(self, rules: PictureRules) -> None:
        self._rules = rules
        self._places = PicturePlaces(rules.allowed)

    def read(self, uri: str) -> ItemPicture | RefusedPicture:
        """Read a picture, or say why it is refused.

        Args:
            uri: A path, a `file:` address, or an address as fsspec knows it.

        Raises:
            SourceFileError: The package is missing that reads such addresses.
        """
        place = self._places.find(uri)
        if place is None:
            return RefusedPicture(Refusal.NOT_ALLOWED)
        try:
            content = read_bytes(place, self._rules.max_bytes)
            return ItemPicture(decode_picture(content, self._rules), hashlib.sha256(content).hexdigest())
        except RefusedPictureError as error:
            return RefusedPicture(error.refusal)
