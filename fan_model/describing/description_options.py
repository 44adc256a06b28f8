"""What a vision-language model is asked of a picture, and how it is run.

A field is defined here and nowhere else: `[describe]` of the settings and the digests of describers read it
from here. Nothing here imports torch or transformers.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from fan_model.drawing.texts import Text

PROMPT = (
    "Describe only the visual style of this picture, and nothing of what it is about: its colours, light, "
    "texture, composition and medium. Answer with three to six short phrases, separated by commas, and "
    "nothing else."
)


class DescriptionOptions(BaseModel):
    """What is asked of a picture, and how much is kept of the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    prompt: Text = PROMPT
    """What the model is asked. Another prompt describes every picture anew."""
    max_new_tokens: PositiveInt = 64
    """Tokens of an answer; what is longer is broken off."""
    max_phrases: PositiveInt = 6
    """Phrases that are kept of an answer, the first ones."""
    max_characters: int = Field(160, ge=16, le=2_000)
    """Length of the phrases together: a text encoder reads some 70 tokens, and the title needs room too."""
    longest_side: int = Field(768, ge=32, le=4096)
    """Pixels of the longer side of what the model sees; larger pictures are scaled down, for the time that
    most models take grows with the pixels."""
    batch_size: PositiveInt = 8
    """Pictures described at a time; halved for good each time memory runs out."""
    device: str = "cpu"
    """Torch device: cpu, cuda, cuda:1, mps."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number type of the weights; halves take half the memory, and are much faster on a GPU."""

    def makes(self) -> dict[str, Any]:
        """What of it changes answers: all but where, and how many at a time."""
        return self.model_dump(mode="json", include={*DescriptionOptions.model_fields} - PLACE)


PLACE = {"batch_size", "device"}
"""Options that change no answer."""
