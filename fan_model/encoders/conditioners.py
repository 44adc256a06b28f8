"""Which conditioner a pipeline has: by its class and components, in memory."""

from collections.abc import Mapping
from typing import Any

import diffusers
from diffusers import DiffusionPipeline

from fan_model.encoders.conditioning import (
    Conditioner,
    FluxConditioner,
    PictureConditioner,
    StableDiffusion3Conditioner,
    StableDiffusionConditioner,
    StableDiffusionXLConditioner,
)
from fan_model.encoders.families import Family, accept, refuse_misfit
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.language_conditioning import LanguageConditioner
from fan_model.encoders.text_encoders import TextTower

TOWER_CONDITIONERS: dict[str, type[Conditioner]] = {
    "StableDiffusionPipeline": StableDiffusionConditioner,
    "StableDiffusionXLPipeline": StableDiffusionXLConditioner,
    "StableDiffusion3Pipeline": StableDiffusion3Conditioner,
    "FluxPipeline": FluxConditioner,
    "StableUnCLIPImg2ImgPipeline": StableDiffusionConditioner,
}
"""How the pipelines of CLIP and of T5 without a mask join what their encoders say."""


def build_conditioner(
    pipeline: DiffusionPipeline, cache: KeyValueCache, reader: TextTower | None = None
) -> Conditioner:
    """The conditioner of a diffusers pipeline, by its class and components.

    Args:
        pipeline: The pipeline.
        cache: What was seen of texts.
        reader: Reads texts for a pipeline that reads none.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """
    family = accept_pipeline(pipeline)
    if family.prompt_call is not None:
        return LanguageConditioner(pipeline, cache, family.prompt_call)
    if not family.text_encoders:
        return PictureConditioner(pipeline, cache, reader)
    return TOWER_CONDITIONERS[family.pipeline](pipeline, cache)


def accept_pipeline(pipeline: DiffusionPipeline) -> Family:
    """The family of a pipeline in memory, which must be of diffusers' own class.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """
    kind = type(pipeline)
    is_own = getattr(diffusers, kind.__name__, None) is kind
    name = kind.__name__ if is_own else f"{kind.__module__}.{kind.__qualname__}"
    components = {key: part for key, part in pipeline.components.items() if part is not None}
    classes = {key: type(part).__name__ for key, part in components.items()}
    family = accept(name, classes)
    config = components[family.image_model[0]].config
    refuse_misfit(family, classes, config, _latent_channels(components[family.autoencoder].config))
    return family


def _latent_channels(config: Mapping[str, Any]) -> int | None:
    """Of an autoencoder, whatever it calls them."""
    return config.get("latent_channels", config.get("z_dim"))
