"""How pictures that speak for a user act on a target's picture: what can be told of it."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fan_model.method.personalization import MAX_LAYERS, STRICT, Layer, Personalization


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImagePersonalization:
    """How strongly, where and by which method reference pictures act.

    Both methods take the same equations: of attention in each layer of the image encoder, or of the encoder's
    outputs as they are. With E(X) the embedding of a picture X, `mean` gives

        (1 - alpha) E(T) + alpha sum_i w_i E(R_i),   or   E(T) + s (sum_i w_i E(R_i) - sum_j v_j E(C_j))

    where there is a crowd to contrast with.
    """

    method: Annotated[
        Literal["mean", "attention"],
        Field(
            description="`mean` mixes embeddings; `attention` is the paper's personalized attention, in the "
            "image encoder."
        ),
    ] = "mean"
    alpha: Annotated[
        float,
        Field(ge=0, le=1, description="0 is the target's own picture, 1 the reference pictures only."),
    ] = 0.6
    contrast: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="How far to go along what sets the references apart from the crowd's pictures, where "
            "there are any; alpha then plays no part.",
        ),
    ] = 0.0
    skip_layers: Annotated[
        tuple[Layer, ...],
        Field(
            max_length=MAX_LAYERS,
            description="Layers of the image encoder without personalized attention; `mean` looks at none.",
        ),
    ] = (0,)

    @property
    def acts(self) -> bool:
        """Whether references move anything."""
        return self.alpha > 0 or self.contrast > 0

    @property
    def shares(self) -> Personalization:
        """The same, as far as it says what target, references and crowd count for."""
        return Personalization(alpha=self.alpha, contrast=self.contrast, skip_layers=self.skip_layers)
