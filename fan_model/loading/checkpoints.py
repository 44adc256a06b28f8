"""Single files: `.safetensors` checkpoints of whole pipelines, whose families their weights' names tell.

Which names belong to which family is diffusers' own knowledge. Configurations and tokenizers are not in such
a file: they come from a folder that is named, or from the hub.
"""

from dataclasses import dataclass
from pathlib import Path

from diffusers.loaders.single_file_utils import (
    CHECKPOINT_KEY_NAMES,
    DIFFUSERS_DEFAULT_PIPELINE_PATHS,
    infer_diffusers_model_type,
)

from fan_model.encoders.families import FAMILIES, Family, UnsupportedPipelineError
from fan_model.loading.number_types import read_header
from fan_model.loading.pipeline_files import PipelineError

PIPELINES = {
    "v1": "StableDiffusionPipeline",
    "v2": "StableDiffusionPipeline",
    "xl_base": "StableDiffusionXLPipeline",
    "playground-v2-5": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
    "sd35_medium": "StableDiffusion3Pipeline",
    "sd35_large": "StableDiffusion3Pipeline",
    "flux-dev": "FluxPipeline",
    "flux-schnell": "FluxPipeline",
}
"""The pipeline of each kind of single file, by the name that diffusers has for the kind. Those of language
models are not listed: their text encoders are in no such file, so that only `image_model` can name it."""
ANYTHING = "v1"
"""What diffusers takes a file for whose names it does not know."""


@dataclass(frozen=True)
class CheckpointKind:
    """What a single file holds."""

    family: Family
    configs: str
    """Hub id of a pipeline with the same configurations."""


@dataclass(frozen=True)
class _Shaped:
    """A tensor of which only the shape is known."""

    shape: tuple[int, ...]


def recognize(file: Path) -> CheckpointKind:
    """Tell what a single file holds, by the names and shapes of its weights, none of which is read.

    Raises:
        PipelineError: It is no safetensors file, or nothing in it is known.
        UnsupportedPipelineError: It is of a pipeline that cannot be drawn with.
    """
    try:
        header = {name: _Shaped(tuple(each["shape"])) for name, each in read_header(file).items()}
    except ValueError as error:
        raise PipelineError(str(error)) from None
    kind = infer_diffusers_model_type(header)
    if kind == ANYTHING and CHECKPOINT_KEY_NAMES["v1"] not in header:
        raise PipelineError(
            f"{file.name} is no checkpoint of a pipeline that is known: name the folder of a pipeline, and "
            "the file as model.image_model if it holds an image model alone"
        )
    if kind not in PIPELINES:
        supported = ", ".join(sorted(set(PIPELINES.values())))
        raise UnsupportedPipelineError(
            f"{file.name} is a checkpoint of {kind}, which cannot be drawn with from a single file; "
            f"single files may be of {supported}"
        )
    family = next(one for one in FAMILIES if one.pipeline == PIPELINES[kind])
    return CheckpointKind(family, DIFFUSERS_DEFAULT_PIPELINE_PATHS[kind]["pretrained_model_name_or_path"])
