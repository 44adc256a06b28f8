"""What lets a pipeline look at pictures, from files into memory: IP-Adapters, parts of other pipelines.

Weights are safetensors, and nothing of a pipeline is loaded but the parts that look.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from pydantic import BaseModel, ConfigDict, Field
from transformers import CLIPVisionModelWithProjection

from fan_model.encoders.families import Family, UnsupportedPipelineError
from fan_model.encoders.image_families import IMAGE_FAMILIES, IP_ADAPTER, ImageFamily, accept_image_parts
from fan_model.image_references.image_parts import ImageParts
from fan_model.loading.execution import ExecutionError
from fan_model.loading.pipeline_files import PICKLE_SUFFIXES, PipelineError, read_index

OF_DIFFUSERS = {"ReduxImageEncoder": ReduxImageEncoder}
"""Parts that transformers does not have."""


class PictureInput(BaseModel):
    """What lets a pipeline look at pictures, where it cannot by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str
    """The `.safetensors` file of an IP-Adapter, or the folder of a saved FluxPriorReduxPipeline or
    KandinskyV22PriorPipeline, of which only the parts that look at pictures are loaded."""
    encoder: str | None = None
    """Of an IP-Adapter: the folder of its image encoder, a CLIPVisionModelWithProjection."""
    scale: float = Field(0.6, ge=0, le=2)
    """Of an IP-Adapter: how much pictures count beside texts; 0 is without them."""


def check_images(images: PictureInput | None, family: Family) -> None:
    """Look whether the files are there, safe to load, and made for a family; nothing of them is loaded.

    Raises:
        ExecutionError: They are not.
        UnsupportedPipelineError: A folder holds nothing that looks at pictures.
    """
    brought = {one.brought_by for one in IMAGE_FAMILIES if one.pipeline == family.pipeline}
    if images is None:
        if family.needs_picture and None not in brought:
            needed = " or ".join(sorted(str(one) for one in brought))
            raise ExecutionError(f"images.path must name the folder of a {needed}: {family.name} needs it")
        return
    given = IP_ADAPTER if _is_file(images) else _family_of(images).brought_by
    if given not in brought:
        raise ExecutionError(f"images: {family.pipeline} takes no pictures by {given}")
    for file in image_files(images):
        if file.suffix.lower() in PICKLE_SUFFIXES:
            raise ExecutionError(f"images: {file.name} is refused: save it as safetensors")


def image_files(images: PictureInput) -> list[Path]:
    """Every file that is loaded, sorted.

    Raises:
        ExecutionError: One is not there.
    """
    if not _is_file(images):
        folders = [Path(images.path) / part for part in _family_of(images).parts]
        return [file for folder in folders for file in _files_in(folder)]
    file = Path(images.path)
    if images.encoder is None:
        raise ExecutionError("images.encoder must name the folder of the IP-Adapter's image encoder")
    if not file.is_file():
        raise ExecutionError(f"the file {file} of images.path is not there: restore or remove it")
    return [file, *_files_in(Path(images.encoder))]


def load_ip_adapter(pipeline: DiffusionPipeline, images: PictureInput) -> None:
    """Load an IP-Adapter and its image encoder into a pipeline; of a folder, do nothing.

    Raises:
        ExecutionError: It does not fit the pipeline.
    """
    if not _is_file(images):
        return
    file = Path(images.path)
    encoder = CLIPVisionModelWithProjection.from_pretrained(
        str(images.encoder), dtype=pipeline.unet.dtype, use_safetensors=True, local_files_only=True
    )
    pipeline.register_modules(image_encoder=encoder.eval())
    try:
        pipeline.load_ip_adapter(
            str(file.parent),
            subfolder="",
            weight_name=file.name,
            image_encoder_folder=None,
            local_files_only=True,
        )
        pipeline.set_ip_adapter_scale(images.scale)
    except (ValueError, KeyError, RuntimeError, IndexError) as error:
        raise ExecutionError(
            f"the IP-Adapter {file.name} does not fit {type(pipeline).__name__}: it is of another model"
        ) from error


def load_image_parts(images: PictureInput | None, dtype: torch.dtype, device: str) -> ImageParts | None:
    """The parts of a folder on a device; None where there is none.

    Raises:
        PipelineError: A part cannot be loaded.
    """
    if images is None or _is_file(images):
        return None
    folder, family = Path(images.path), _family_of(images)
    index = read_index(folder)
    try:
        parts = {name: _load_part(folder, name, index[name][1], dtype) for name in family.parts}
    except (OSError, ValueError, RuntimeError) as error:
        raise PipelineError(f"{folder} does not hold a whole {family.brought_by}: save it anew") from error
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.to(device).eval()
    return ImageParts.of_components(family, parts)


def _load_part(folder: Path, name: str, kind: str, dtype: torch.dtype) -> Any:  # noqa: ANN401
    model = OF_DIFFUSERS.get(kind) or getattr(transformers, kind)
    is_processor = not (issubclass(model, torch.nn.Module))
    options: Mapping[str, Any] = {} if is_processor else {"dtype": dtype, "use_safetensors": True}
    if model in OF_DIFFUSERS.values():
        options = {"torch_dtype": dtype, "use_safetensors": True}
    return model.from_pretrained(str(folder), subfolder=name, local_files_only=True, **options)


def _family_of(images: PictureInput) -> ImageFamily:
    """The family whose parts a folder brings, by its `model_index.json`."""
    folder = Path(images.path)
    try:
        index = read_index(folder)
    except PipelineError as error:
        raise ExecutionError(f"images.path: {error}") from None
    named = {name: value[1] for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str) or not hasattr(diffusers, pipeline):
        raise UnsupportedPipelineError(f"{folder.name} is of no pipeline of diffusers' own")
    return accept_image_parts(pipeline, named)


def _files_in(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if not files:
        raise ExecutionError(f"the folder {folder} of images is not there: restore or remove it")
    return files


def _is_file(images: PictureInput) -> bool:
    return images.path.endswith(".safetensors")
