"""One picture now: for a user, a household or a segment, with or without a house style."""

import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from PIL import Image

from fan_model.drawing.artist import Artist, Artwork
from fan_model.drawing.limits import OPTIONS
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, ImageFormat
from fan_model.method.taste import blend_tastes
from feature_store.history.tastes import find_willing_user
from flows.model.champion import load_champion
from flows.model.served_model import drawing_options
from flows.questions.asked_taste import select_taste
from flows.settings import Settings
from flows.stages.crowd import as_crowd, current_crowd
from flows.workspace import open_lake

logger = logging.getLogger(__name__)


class DrawError(RuntimeError):
    """The picture was not drawn."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture drawn on request."""

    image: bytes
    references: tuple[str, ...]
    artwork_digest: str


def draw(
    settings: Settings,
    prompt: str,
    users: Sequence[str],
    *,
    style: str | None = None,
    style_share: float = 0.3,
    image_format: ImageFormat | None = None,
    degrees: Sequence[float] = (),
) -> Drawn:
    """Draw a prompt in the taste of some users, each counting alike, with a style mixed in.

    References are selected from each user's history as the night selects them. Without users the style alone
    speaks (style transfer); without either the picture is the plain one. Its format is the settings', if
    `image_format` asks for no other.

    With `degrees` the same is drawn at each of them, of alpha or, where the settings contrast with a crowd,
    of contrast; the pictures stand side by side in one, whose digest is the last one's.

    Raises:
        UnknownUserError: if a user has no history.
        RequestError: if there is nothing to read in the prompt or the style, or one is too long.
        DrawError: if the picture was flagged, or a degree is none.
    """
    lake = open_lake(settings, read_only=True)
    for user in users:
        find_willing_user(lake, user)
    artist = load_champion(settings).artist
    rows = current_crowd(settings, lake, artist.encoder_fingerprint, datetime.now(UTC))
    used = [select_taste(settings, lake, artist, user, prompt, rows) for user in users]
    taste = blend_tastes(used, style=style, style_share=style_share)
    row = {"prompt": prompt, "references": [*taste], "weights": [*taste.values()], "seed": settings.seed}
    request = artist.limits.parse_request(row)
    if unread := artist.count_unread([prompt])[0]:
        logger.warning("the text encoder does not read the last %d tokens of the prompt", unread)
    options = drawing_options(settings, num_references=None, crowd=as_crowd(rows))
    if image_format:
        options = replace(options, image_format=image_format)
    artworks = [_draw(artist, request, at) for at in _at_degrees(options, degrees) or [options]]
    last = artworks[-1]
    image = last.image if len(artworks) == 1 else _strip(artworks, artist, options)
    return Drawn(image=image, references=last.references_used, artwork_digest=last.artwork_digest)


def parse_degrees(text: str) -> tuple[float, ...]:
    """Read degrees that are written with commas between them.

    Raises:
        DrawError: if one is no number of 0 and more.
    """
    words = [word.strip() for word in text.split(",")]
    try:
        degrees = tuple(float(word) for word in words)
    except ValueError:
        degrees = (-1.0,)
    if not all(0 <= degree < math.inf for degree in degrees):
        raise DrawError(f"{text!r} is no list of degrees: write numbers of 0 and more, such as 0,0.3,0.6,0.9")
    return degrees


def _at_degrees(options: DrawingOptions, degrees: Sequence[float]) -> list[DrawingOptions]:
    """The options at each degree; 0 is the plain picture in either way."""
    name = "contrast" if options.contrast and options.crowd else "alpha"
    if not all(map(OPTIONS[name].admits, degrees)):
        raise DrawError(f"--degrees must each be {OPTIONS[name].in_words()}: they are of {name} here")
    plain = replace(options, alpha=0.0, contrast=0.0)
    if name == "contrast":
        return [replace(options, contrast=degree) if degree else plain for degree in degrees]
    return [replace(plain, alpha=degree) for degree in degrees]


def _draw(artist: Artist, request: ArtworkRequest, options: DrawingOptions) -> Artwork:
    (artwork,) = artist.draw([request], options)
    if artwork.flagged:
        raise DrawError(
            "the picture was flagged: its prompt or a reference is blocked, or the safety checker refused it"
        )
    return artwork


def _strip(artworks: Sequence[Artwork], artist: Artist, options: DrawingOptions) -> bytes:
    """One picture of several, from left to right."""
    images = [Image.open(io.BytesIO(artwork.image)).convert("RGB") for artwork in artworks]
    strip = Image.new("RGB", (sum(image.width for image in images), images[0].height))
    for place, image in enumerate(images):
        strip.paste(image, (place * image.width, 0))
    return artist.write_file(strip, artworks[-1].artwork_digest, options)


def format_of(file: Path) -> ImageFormat:
    """Name the format that a file's name asks for, before anything is drawn.

    Raises:
        DrawError: if pictures are not written so, or its folder is not there.
    """
    suffix = file.suffix.removeprefix(".").lower()
    found = next((one for one in get_args(ImageFormat) if one == suffix), None)
    if found is None:
        raise DrawError(f"{file.name} cannot be written: pictures are {' or '.join(get_args(ImageFormat))}")
    if not file.resolve().parent.is_dir():
        raise DrawError(f"there is no folder {file.parent}: make it first, or name another file")
    return found
