"""What pictures each artwork is drawn from: its item's own, and those of the references of its profile."""

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image

from fan_model.drawing.artist import Artist
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.request_errors import RequestError
from feature_store.lake.lake import Lake
from feature_store.tables.artworks import PictureName, StalePicture
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.item_pictures.reference_pictures import CrowdPicture, read_crowd_pictures
from flows.settings import Settings
from flows.workspace import share_pictures
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader

KEPT = 256
"""Pictures that stay in memory where they are looked at again: many users like the same ones."""


def list_crowd_pictures(
    settings: Settings, lake: Lake, crowd: Sequence[CrowdRow]
) -> tuple[CrowdPicture, ...]:
    """List the pictures of a crowd's items, where pictures are contrasted with them."""
    is_contrasted = settings.images.takes_images and settings.images.how.contrast
    return tuple(read_crowd_pictures(lake, crowd)) if is_contrasted else ()


class ImageProfiles:
    """Finds the pictures that artworks are drawn from.

    Args:
        settings: whether and how pictures act, and which may be read.
        artist: draws; what its image encoder saw of pictures before is not looked at again.
        crowd: what is contrasted with.
    """

    def __init__(self, settings: Settings, artist: Artist, crowd: Sequence[CrowdPicture] = ()) -> None:
        self._acts, self._how, self._crowd = settings.images.takes_images, settings.images.how, crowd
        self._needs_picture = artist.image_input is not None and artist.image_input.needs_picture
        width = artist.embedding_width if self._acts else None
        self._kept = share_pictures(settings, encoder_fingerprint=artist.image_fingerprint, width=width)
        self._reader = PictureReader(settings.pictures)
        self._look = lru_cache(maxsize=KEPT)(self._read)

    def find(self, pair: StalePicture) -> ImageProfile | None:
        """The item's own picture, drawn towards those of the profile's references; None if none acts.

        Raises:
            RequestError: A picture that the night saw cannot be read here, or the model must have the item's.
        """
        own = self.find_plain(pair)
        if own is None or not self._how.acts:
            return own
        acting = [
            (one, weight) for one, weight in zip(pair.pictures, pair.weights, strict=True) if one.sha256
        ]
        if not acting:
            return own
        attends = self._how.method == "attention"
        crowd = [(PictureName(uri=one.uri, sha256=one.sha256), one.weight) for one in self._crowd]
        return ImageProfile(
            target=self._picture(_own(pair), attends=attends),
            references=tuple(self._picture(one, attends=attends) for one, _ in acting),
            weights=tuple(weight for _, weight in acting),
            crowd=tuple(self._picture(one, attends=attends) for one, _ in crowd),
            crowd_weights=tuple(weight for _, weight in crowd),
            how=self._how,
        )

    def find_plain(self, pair: StalePicture) -> ImageProfile | None:
        """The item's own picture alone; None if it has none that can be read, or pictures do not act.

        Raises:
            RequestError: As `find`.
        """
        if not self._acts:
            return None
        if pair.own_sha256 is None:
            if self._needs_picture:
                raise RequestError(
                    "the item has no picture that can be read, and the model draws from one: "
                    "reference_pictures says why"
                )
            return None
        return ImageProfile(target=self._picture(_own(pair), attends=False), how=self._how)

    def _picture(self, name: PictureName, *, attends: bool) -> Picture:
        """A picture: what the encoder saw of it, if that is kept and enough, or the picture itself."""
        sha256 = str(name.sha256)
        if attends or self._kept is None or self._kept.missing([sha256]):
            return Picture(sha256, self._look(name))
        return Picture(sha256, None, self._kept.gather([sha256])[0])

    def _read(self, name: PictureName) -> Image.Image:
        read = self._reader.read(str(name.uri))
        if not isinstance(read, ItemPicture) or read.sha256 != name.sha256:
            raise RequestError(
                "a picture that the night saw is another by now, or cannot be read by the machine that "
                "draws: let it reach what pictures.allowed names; the next night looks again"
            )
        return read.image


def _own(pair: StalePicture) -> PictureName:
    return PictureName(uri=pair.stock_image_uri, sha256=pair.own_sha256)
