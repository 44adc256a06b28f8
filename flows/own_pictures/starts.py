"""Items' own pictures, which artworks begin as where the settings say so."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache

from PIL import Image

from fan_model.drawing.artist import Artist, ArtworkRequest
from fan_model.drawing.requests import RequestError
from fan_model.drawing.starting import StartPicture, with_start
from feature_store.lake.lake import Lake
from feature_store.tables.artworks import StalePicture
from feature_store.tables.notes import Note, append_note, read_notes
from feature_store.tables.runs import Run
from feature_store.tables.start_pictures import (
    StartPictureRow,
    replace_start_pictures,
    scan_targets_pictures,
)
from flows.model.served_model import drawing_options
from flows.settings import Settings
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader

READERS = 8
"""Threads that fetch pictures, for most of the time of fetching is waiting."""
KEPT = 64
"""Pictures that stay in memory: many users' artworks begin as the same ones."""
NO_PICTURE = "of items without a stock_image_uri"


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
    rows = list(_see(settings, lake))
    if not rows:
        return
    replace_start_pictures(lake, rows)
    refused = Counter(row.reason for row in rows if row.reason)
    if refused:
        _note(lake, run, refused, len(rows))


def _see(settings: Settings, lake: Lake) -> Iterator[StartPictureRow]:
    """Read the pictures of all items that artworks are wanted of, each address once."""
    items = scan_targets_pictures(lake, max_users=settings.users_limit)
    reader, uris = PictureReader(settings.pictures), list(dict.fromkeys(uri for _, uri in items if uri))

    def see(uri: str) -> tuple[str | None, str | None]:
        read = reader.read(uri)
        return (read.sha256, None) if isinstance(read, ItemPicture) else (None, str(read.refusal))

    with ThreadPoolExecutor(READERS) as readers:
        seen = dict(zip(uris, readers.map(see, uris), strict=True))
    for item_id, uri in items:
        sha256, reason = seen[uri] if uri else (None, NO_PICTURE)
        yield StartPictureRow(
            item_id=item_id,
            stock_image_uri=uri,
            picture_sha256=sha256,
            reason=reason,
            seen_at=datetime.now(UTC),
        )


def _note(lake: Lake, run: Run, refused: Counter[str], num_items: int) -> None:
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in refused.most_common())
    message = (
        f"{refused.total():,} of the pictures of {num_items:,} items cannot be begun with; their artworks "
        f"are drawn from texts alone: {reasons}; `start_pictures` has each with its reason"
    )
    note = Note(severity="warning", source="generate", message=message)
    # A night that is carried on looks again.
    if note not in read_notes(lake, run.run_id):
        append_note(lake, run.run_id, note)


def check_can_start(settings: Settings, artist: Artist) -> None:
    """Look whether the settings' model can begin with a picture, before any is drawn.

    Raises:
        RequestError: It cannot.
    """
    if settings.start.strength is not None:
        start = StartPicture.of(Image.new("RGB", (8, 8)), settings.start.strength)
        options = drawing_options(settings, num_references=None)
        artist.check([with_start(ArtworkRequest(prompt="a film poster"), start)], options)
