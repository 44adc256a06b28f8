"""Settings of `fan describe`: the vision-language model that says how items' own pictures look."""

from pydantic import field_validator

from fan_model.describing.description_options import DescriptionOptions
from flows.settings_section import refuse_blank


class Describe(DescriptionOptions):
    """How items' own pictures become style phrases, the field `{style}` of the templates."""

    model: str | None = None
    """Folder or hub id of a model of transformers from images and text to text (LLaVA, Qwen-VL, SmolVLM,
    Gemma 3, ...); none: no picture is described. What it says of a picture is kept, and asked once."""
    revision: str | None = None
    """Revision of a hub id."""

    _filled = field_validator("model", "revision", mode="before")(refuse_blank)

    @property
    def options(self) -> DescriptionOptions:
        """What is asked, and how the model is run."""
        return DescriptionOptions(**{name: getattr(self, name) for name in DescriptionOptions.model_fields})
