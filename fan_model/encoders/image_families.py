"""The families of pipelines that take pictures, and what brings the encoder that looks at them.

Like `families`, this is a table: of classes of diffusers and of their components, and strict. Nothing here
imports torch or diffusers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fan_model.encoders.families import CLIP_VISION, Classes, UnsupportedPipelineError

IP_ADAPTER = "IP-Adapter"
"""What brings it is no pipeline, but a file of weights for the image model, and an encoder's folder."""


@dataclass(frozen=True, kw_only=True)
class ImageFamily:
    """How one family of pipelines takes pictures."""

    name: str
    pipeline: str
    """Class in diffusers of the pipeline that draws."""
    brought_by: str | None
    """Class in diffusers of the pipeline whose folder holds the parts that look at pictures; `IP_ADAPTER`;
    None where they are the drawing pipeline's own."""
    parts: Mapping[str, Sequence[str]]
    """The components that look at pictures, and the classes that they may have; no class for a processor.
    Where the drawing pipeline reads no texts, also those that read them, in the same space: nights select
    references by them."""
    consumes: str
    """What the image model is given of a picture, in words."""

    @property
    def encoder(self) -> str:
        """The class of the image encoder."""
        return self.parts["image_encoder"][0]


CLIP_PARTS = {"image_encoder": CLIP_VISION, "feature_extractor": ()}
IMAGE_FAMILIES = (
    ImageFamily(
        name="Stable unCLIP",
        pipeline="StableUnCLIPImg2ImgPipeline",
        brought_by=None,
        parts=CLIP_PARTS,
        consumes="CLIP's projected embedding, beside the states of a prompt",
    ),
    ImageFamily(
        name="Kandinsky 2.2",
        pipeline="KandinskyV22Pipeline",
        brought_by="KandinskyV22PriorPipeline",
        parts={
            "image_encoder": CLIP_VISION,
            "image_processor": (),
            "text_encoder": ("CLIPTextModelWithProjection",),
            "tokenizer": (),
        },
        consumes="CLIP's projected embedding, and of zeros to be led away from; no prompt",
    ),
    *(
        ImageFamily(
            name=name,
            pipeline=pipeline,
            brought_by=IP_ADAPTER,
            parts=CLIP_PARTS,
            consumes="CLIP's projected embedding, or of IP-Adapter Plus its states before the last layer, in "
            "attention of its own beside the prompt's",
        )
        for name, pipeline in (
            ("IP-Adapter on Stable Diffusion 1, 2", "StableDiffusionPipeline"),
            ("IP-Adapter on Stable Diffusion XL", "StableDiffusionXLPipeline"),
        )
    ),
    ImageFamily(
        name="FLUX Redux",
        pipeline="FluxPipeline",
        brought_by="FluxPriorReduxPipeline",
        parts={
            "image_encoder": ("SiglipVisionModel",),
            "feature_extractor": (),
            "image_embedder": ("ReduxImageEncoder",),
        },
        consumes="SigLIP's last states after the norm, as tokens after those of the prompt",
    ),
)
"""All that take pictures."""


def accept_image_parts(brought_by: object, classes: Classes) -> ImageFamily:
    """The family whose parts a pipeline brings, by its class and by those of its components.

    Raises:
        UnsupportedPipelineError: It brings none.
    """
    family = next((one for one in IMAGE_FAMILIES if one.brought_by == brought_by), None)
    if family is None or brought_by == IP_ADAPTER:
        known = sorted({str(one.brought_by) for one in IMAGE_FAMILIES} - {"None", IP_ADAPTER})
        raise UnsupportedPipelineError(
            f"{brought_by} brings nothing that looks at pictures: name a {' or a '.join(known)}, or the "
            ".safetensors file of an IP-Adapter"
        )
    for part, allowed in family.parts.items():
        found = classes.get(part)
        if found is None or (allowed and found not in allowed):
            wanted = f" and must be {' or '.join(allowed)}" if allowed else ""
            raise UnsupportedPipelineError(f"{brought_by}: its {part} is {found or 'missing'}{wanted}")
    return family
