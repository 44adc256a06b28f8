"""Settings of pictures as references: whether they act in a night, how, and what looks at them."""

from dataclasses import fields
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from fan_model.loading.picture_input import PictureInput
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.reference_kinds import ReferenceKinds
from flows.settings_section import refuse_blank

INPUT = PictureInput.model_fields


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Images(ImagePersonalization, ReferenceKinds):
    """Whether items' own pictures act as references in nights, and what looks at them.

    `method`, `alpha`, `contrast` and `skip_layers` are of pictures as those of `[drawing]` are of texts. The
    service hands out what nights drew so, and draws by itself from texts alone.
    """

    path: Annotated[
        str | None,
        Field(
            description=f"{INPUT['path'].description} None: the pipeline looks at pictures by itself, as "
            "Stable unCLIP does."
        ),
    ] = None
    encoder: Annotated[str | None, Field(description=INPUT["encoder"].description)] = None
    revision: Annotated[str | None, Field(description=INPUT["revision"].description)] = None
    scale: Annotated[float, Field(ge=0, le=2, description=INPUT["scale"].description)] = INPUT[
        "scale"
    ].default

    _filled = field_validator("path", "encoder", "revision", mode="before")(refuse_blank)

    @property
    def kinds(self) -> ReferenceKinds:
        """Which kinds of references act."""
        return ReferenceKinds(**{one.name: getattr(self, one.name) for one in fields(ReferenceKinds)})

    @property
    def how(self) -> ImagePersonalization:
        """How pictures act where they do, beside texts or alone."""
        own = {one.name: getattr(self, one.name) for one in fields(ImagePersonalization)}
        return self.kinds.of_images(ImagePersonalization(**own))

    @property
    def input(self) -> PictureInput | None:
        """What lets the pipeline look at pictures, where they act and it cannot by itself."""
        if self.path is None or not self.takes_images:
            return None
        return PictureInput(path=self.path, encoder=self.encoder, revision=self.revision, scale=self.scale)
