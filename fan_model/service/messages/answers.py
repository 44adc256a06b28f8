"""What a caller gets for one row: the picture, what it was made of, and whose taste it took on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from fan_model.drawing.artist import Artist, Artwork
from fan_model.service.messages.request_rows import ReadRow, TasteUsed


@dataclass(frozen=True)
class Answer(Artwork):
    """One picture as it is answered."""

    taste: TasteUsed
    """Where the references come from, or why there are none."""
    unread_tokens: int
    """Tokens of the prompt beyond what the text encoder reads: they play no part."""


def tell(artist: Artist, artworks: Sequence[Artwork], rows: Sequence[ReadRow]) -> list[Answer]:
    """Tell of each picture whose taste it took on, and how much of its prompt was not read."""
    unread = artist.count_unread([row.request.prompt for row in rows])
    return [
        Answer(
            **{field.name: getattr(artwork, field.name) for field in fields(artwork)},
            taste=row.taste,
            unread_tokens=tokens,
        )
        for artwork, row, tokens in zip(artworks, rows, unread, strict=True)
    ]
