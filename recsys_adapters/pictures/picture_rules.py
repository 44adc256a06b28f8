"""What may be read as a picture of an item, and why another is refused."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from recsys_adapters.pictures.picture_places import check_allowed

MEBIBYTE = 2**20
PILLOWS_LIMIT = 89_000_000
"""Of Pillow itself, which warns of larger ones."""


class Refusal(StrEnum):
    """Why a picture is refused, to be read after "1 of them" or "3 of them"."""

    NOT_ALLOWED = "in no place that pictures.allowed names"
    MISSING = "not there"
    NOT_FETCHED = "not to be fetched"
    TOO_MANY_BYTES = "of more bytes than pictures.max_bytes"
    TOO_LARGE = "of more pixels than pictures.max_pixels or pictures.max_side"
    TOO_NARROW = "more than 20 times as long as they are wide"
    NO_PICTURE = "no PNG, JPEG, WebP, GIF or AVIF"
    BROKEN = "broken or cut off"


class RefusedPictureError(ValueError):
    """A picture that is not read; the message says neither its name nor its address."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"the picture is refused: it is one of those {refusal}")
        self.refusal = refusal


@dataclass(frozen=True)
class RefusedPicture:
    """What stands in the place of a picture that is not read."""

    refusal: Refusal


def describe_refusals(refused: Iterable[Refusal], total: int) -> str:
    """Say how many of some pictures are refused, and for what reasons, the most frequent first."""
    counts = Counter(refused)
    reasons = ", ".join(f"{count} {refusal}" for refusal, count in counts.most_common())
    return f"{counts.total()} of {total} pictures are refused: {reasons}"


@validated(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class PictureRules:
    """Which pictures of items are read: from where, and how large. Others are refused, and counted."""

    allowed: Annotated[
        tuple[Annotated[str, AfterValidator(check_allowed)], ...],
        Field(
            description="Folders and addresses (`https://host/folder`, `s3://bucket/folder`) that items' "
            "pictures may be read from, with all that is below them; none: no picture is read. A relative "
            "path in a catalogue starts at any of the folders.",
        ),
    ] = ()
    max_bytes: Annotated[int, Field(ge=1, description="Of a picture's file, at most.")] = 20 * MEBIBYTE
    max_pixels: Annotated[
        int,
        Field(
            ge=1,
            le=PILLOWS_LIMIT,
            description="Width times height, at most: a small file may decode to gigabytes.",
        ),
    ] = 50_000_000
    max_side: Annotated[int, Field(ge=1, description="Width and height in pixels, at most.")] = 16_384
