"""One picture now: for a user, a household or a segment, with or without a house style."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from fan_model.drawing.requests import ImageFormat
from fan_model.method.taste import blend_tastes
from feature_store.history.tastes import read_taste
from feature_store.lake.lake import Lake
from flows.model.champion import load_champion
from flows.model.served_model import drawing_options
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
) -> Drawn:
    """Draw a prompt in the taste of some users, each counting alike, with a style mixed in.

    References are selected from each user's history as the night selects them. Without users the style alone
    speaks (style transfer); without either the picture is the plain one. Its format is the settings', if
    `image_format` asks for no other.

    Raises:
        UnknownUserError: if a user has no history.
        RequestError: if there is nothing to read in the prompt or the style, or one is too long.
        DrawError: if the picture was flagged.
    """
    lake = open_lake(settings, read_only=True)
    histories = [_read_texts(lake, user) for user in users]
    artist = load_champion(settings).artist
    crowd = as_crowd(current_crowd(settings, lake, artist.encoder_fingerprint, datetime.now(UTC)))
    used = [artist.select(prompt, history, settings.profile, crowd) for history in histories]
    taste = blend_tastes(used, style=style, style_share=style_share)
    row = {"prompt": prompt, "references": [*taste], "weights": [*taste.values()], "seed": settings.seed}
    request = artist.limits.parse_request(row)
    if unread := artist.count_unread([prompt])[0]:
        logger.warning("the text encoder does not read the last %d tokens of the prompt", unread)
    options = drawing_options(settings, num_references=None, crowd=crowd)
    if image_format:
        options = replace(options, image_format=image_format)
    (artwork,) = artist.draw([request], options)
    if artwork.flagged:
        raise DrawError(
            "the picture was flagged: its prompt or a reference is blocked, or the safety checker refused it"
        )
    return Drawn(
        image=artwork.image, references=artwork.references_used, artwork_digest=artwork.artwork_digest
    )


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


def _read_texts(lake: Lake, user_id: str) -> dict[str, float]:
    return {liked.text: liked.weight for liked in read_taste(lake, user_id)}
