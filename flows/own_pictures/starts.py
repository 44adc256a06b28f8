"""Items' own pictures, which artworks begin as where the settings say so."""

from functools import lru_cache

from PIL import Image

from fan_model.drawing.artist import Artist, ArtworkRequest
from fan_model.drawing.starting import StartPicture, with_start
from fan_model.request_errors import RequestError
from feature_store.lake.lake import Lake
from feature_store.schemas import START_PICTURES
from feature_store.tables.artworks import StalePicture
from feature_store.tables.item_pictures.start_pictures import replace_start_pictures, scan_targets_pictures
from feature_store.tables.runs import Run
from flows.model.served_model import drawing_options
from flows.own_pictures.looking import look_at, note_refused
from flows.settings import Settings
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader

KEPT = 64
"""Pictures that stay in memory: many users' artworks begin as the same ones."""
NOT_BEGUN_WITH = "cannot be begun with; their artworks are drawn from texts alone"


class OwnPictures:
    """Reads the pictures that artworks begin as.

    Args:
        settings: which pictures may be read, and how much of them is drawn over.
    """

    def __init__(self, settings: Settings) -> None:
        self._reader, self._strength = PictureReader(settings.pictures), settings.start.strength
        self._find = lru_cache(maxsize=KEPT)(self._read)

    def find(self, pair: StalePicture) -> StartPicture | None:
        """The picture that an artwork begins as; None where the night saw none, or nothing begins as one.

        Raises:
            RequestError: The night saw it, and it cannot be read here.
        """
        if not self._strength or not pair.start_sha256 or not pair.stock_image_uri:
            return None
        found = self._find(pair.stock_image_uri)
        if found is None:
            raise RequestError(
                "the item's own picture cannot be read by the machine that draws: let it reach what "
                "pictures.allowed names, or unset start.strength"
            )
        return found

    def _read(self, uri: str) -> StartPicture | None:
        read = self._reader.read(uri)
        if not isinstance(read, ItemPicture) or not self._strength:
            return None
        return StartPicture(read.image, read.sha256, self._strength)


def look_at_start_pictures(settings: Settings, lake: Lake, run: Run) -> None:
    """Let artworks whose item has another picture than before be drawn anew, and note which are refused."""
    if settings.start.strength is None:
        return
    rows = look_at(settings.pictures, scan_targets_pictures(lake, max_users=settings.users_limit))
    if rows:
        replace_start_pictures(lake, rows)
        note_refused(lake, run, rows, stage="generate", outcome=NOT_BEGUN_WITH, table=START_PICTURES.name)


def check_can_start(settings: Settings, artist: Artist) -> None:
    """Look whether the settings' model can begin with a picture, before any is drawn.

    Raises:
        RequestError: It cannot.
    """
    if settings.start.strength is not None:
        start = StartPicture.of(Image.new("RGB", (8, 8)), settings.start.strength)
        options = drawing_options(settings, num_references=None)
        artist.check([with_start(ArtworkRequest(prompt="a film poster"), start)], options)
