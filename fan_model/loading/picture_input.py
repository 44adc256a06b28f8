"""What lets a pipeline look at pictures, where it cannot by itself: what can be told of it.

Like `execution`, this imports nothing that loads a model.
"""

from pydantic import BaseModel, ConfigDict, Field


class PictureInput(BaseModel):
    """What lets a pipeline look at pictures, where it cannot by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str
    """The `.safetensors` file of an IP-Adapter, or the folder or hub id of a saved FluxPriorReduxPipeline or
    KandinskyV22PriorPipeline, of which only the parts that look at pictures are loaded, and of the latter
    those that read texts. A file on the hub is named after its repository's id:
    `h94/IP-Adapter/models/ip-adapter_sd15.safetensors`."""
    encoder: str | None = None
    """Of an IP-Adapter: the folder of its image encoder, a CLIPVisionModelWithProjection; on the hub named
    after its repository's id: `h94/IP-Adapter/models/image_encoder`."""
    revision: str | None = None
    """Revision of what is on the hub."""
    scale: float = Field(0.6, ge=0, le=2)
    """Of an IP-Adapter: how much pictures count beside texts; 0 is without them."""
