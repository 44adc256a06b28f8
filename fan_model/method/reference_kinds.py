"""Which kinds of references act, texts or pictures, and how the two share what moves a picture."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.personalization import STRICT, Personalization


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReferenceKinds:
    """Whether texts, pictures or both speak for a user, and which of them more strongly.

    Where both do, each side's alpha and contrast are multiplied by its share, doubled, but never raised:
    by min(1, 2 (1 - share)) of texts, and by min(1, 2 share) of pictures.
    """

    references: Annotated[
        Literal["texts", "images", "both"],
        Field(
            description="What of the liked items speaks for a user: their texts, their own pictures "
            "(`stock_image_uri`), or both. Without texts, they only select the references."
        ),
    ] = "texts"
    share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="What pictures count for where both act. At 0.5 each side acts as strongly as it "
            "would alone; below, pictures of references act less, and at 0 not at all; above, texts do.",
        ),
    ] = 0.5

    @property
    def takes_texts(self) -> bool:
        """Whether texts of references act."""
        return self.references != "images"

    @property
    def takes_images(self) -> bool:
        """Whether pictures act, those of targets at least."""
        return self.references != "texts"

    def of_texts(self, how: Personalization) -> tuple[float, float]:
        """Alpha and contrast of texts, beside pictures."""
        factor = min(1.0, 2 * (1 - self.share)) if self.references == "both" else 1.0
        return factor * how.alpha, factor * how.contrast

    def of_images(self, how: ImagePersonalization) -> ImagePersonalization:
        """How pictures act, beside texts."""
        factor = min(1.0, 2 * self.share) if self.references == "both" else 1.0
        return replace(how, alpha=factor * how.alpha, contrast=factor * how.contrast)
