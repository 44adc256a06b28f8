"""The parts that look at pictures, and may read texts, where they are not the drawing pipeline's own."""

from dataclasses import dataclass
from typing import Any, Self

import diffusers
from diffusers import DiffusionPipeline

from fan_model.encoders.image_families import ImageFamily, accept_image_parts

PROCESSORS = ("feature_extractor", "image_processor")
"""What pipelines call that which makes pixels of pictures."""


@dataclass(frozen=True)
class ImageParts:
    """An image encoder with its processor, and what makes tokens of its states."""

    family: ImageFamily
    encoder: Any
    """A model of transformers."""
    processor: Any
    """How pictures become pixels."""
    embedder: Any = None
    """FLUX Redux's."""
    text_encoder: Any = None
    """Of texts in the pictures' space, where the drawing pipeline reads none."""
    tokenizer: Any = None

    @classmethod
    def of(cls, prior: DiffusionPipeline) -> Self:
        """The parts of a pipeline of diffusers: a KandinskyV22PriorPipeline, or a FluxPriorReduxPipeline.

        Raises:
            UnsupportedPipelineError: It brings nothing that looks at pictures.
        """
        kind = type(prior)
        is_own = getattr(diffusers, kind.__name__, None) is kind
        name = kind.__name__ if is_own else f"{kind.__module__}.{kind.__qualname__}"
        components = {key: part for key, part in prior.components.items() if part is not None}
        family = accept_image_parts(name, {key: type(part).__name__ for key, part in components.items()})
        return cls.of_components(family, components)

    @classmethod
    def of_components(cls, family: ImageFamily, components: dict[str, Any]) -> Self:
        """The parts of a family, by the names of its table."""
        processor = next(name for name in PROCESSORS if name in family.parts)
        return cls(
            family,
            components["image_encoder"],
            components[processor],
            components.get("image_embedder"),
            *(components.get(name) for name in ("text_encoder", "tokenizer") if name in family.parts),
        )
