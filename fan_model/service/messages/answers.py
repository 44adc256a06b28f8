"""What a caller gets for one row: the picture, what it was made of, and whose taste it took on."""

from dataclasses import dataclass, fields

from fan_model.drawing.artist import Artwork
from fan_model.service.messages.request_rows import TasteUsed


@dataclass(frozen=True)
class Answer(Artwork):
    """One picture as it is answered."""

    taste: TasteUsed
    """Where the references come from, or why there are none."""

    @classmethod
    def of(cls, artwork: Artwork, taste: TasteUsed) -> "Answer":
        """Tell of a picture whose taste it took on."""
        return cls(**{field.name: getattr(artwork, field.name) for field in fields(artwork)}, taste=taste)
