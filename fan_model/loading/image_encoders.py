"""What lets a pipeline look at pictures, from files into memory: IP-Adapters, parts of other pipelines.

Weights are safetensors, and nothing of a pipeline is loaded but the parts that look.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from transformers import CLIPVisionModelWithProjection

from fan_model.encoders.families import Family, UnsupportedPipelineError
from fan_model.encoders.image_families import IMAGE_FAMILIES, IP_ADAPTER, ImageFamily, accept_image_parts
from fan_model.image_references.image_parts import ImageParts
from fan_model.loading.execution import ExecutionError
from fan_model.loading.picture_input import PictureInput
from fan_model.loading.pipeline_files import INDEX, PICKLE_SUFFIXES, PipelineError, read_index
from fan_model.method.reference_kinds import ReferenceKinds

HUB_PLACE = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?P<below>(/[\w.-]+)*)")
"""An id on the hub, and what is below it."""
ALL_PARTS = sorted({part for family in IMAGE_FAMILIES for part in family.parts})
OF_DIFFUSERS = {"ReduxImageEncoder": ReduxImageEncoder}
"""Parts that transformers does not have."""


def find_images(images: PictureInput | None) -> PictureInput | None:
    """The same with local files, fetched from the hub if they are not here already.

    Raises:
        ExecutionError: They are neither here nor to be had from the hub.
    """
    if images is None:
        return None
    found = {
        key: _find(key, place, images.revision)
        for key, place in (("path", images.path), ("encoder", images.encoder))
        if place is not None
    }
    return images.model_copy(update=found)


def _find(key: str, place: str, revision: str | None) -> str:
    """Where a file or folder is on this machine; what is no place on the hub stays as it is."""
    named = HUB_PLACE.fullmatch(place)
    if named is None or Path(place).exists():
        return place
    below = named["below"].strip("/")
    wanted = [below, f"{below}/*"] if below else [INDEX, *(f"{part}/*" for part in ALL_PARTS)]
    pickled = [f"*{suffix}" for suffix in PICKLE_SUFFIXES]
    try:
        folder = snapshot_download(
            named["repository"], revision=revision, allow_patterns=wanted, ignore_patterns=pickled
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ExecutionError(
            f"{place} of images.{key} is not here, and cannot be had from the hub: check its name and the "
            "connection"
        ) from error
    return str(Path(folder) / below)


def require_images(images: PictureInput | None, family: Family, kinds: ReferenceKinds) -> None:
    """Refuse a pipeline that takes no pictures as it is, or no texts beside them.

    Raises:
        ExecutionError: Nothing lets it, or texts are to act as well.
        UnsupportedPipelineError: What is named to let it is of another kind.
    """
    check_images(images, family)
    ways = [one.brought_by for one in IMAGE_FAMILIES if one.pipeline == family.pipeline]
    if images is None and None not in ways:
        raise ExecutionError(say_how_to_take_pictures(family.pipeline))
    check_texts(family, kinds)


def check_texts(family: Family, kinds: ReferenceKinds) -> None:
    """Refuse texts that a family does not read.

    Raises:
        ExecutionError: They are to act.
    """
    if kinds.takes_texts and not family.text_encoders:
        raise ExecutionError(f"images.references must be images: {family.pipeline} reads no texts")


def say_how_to_take_pictures(pipeline: str) -> str:
    """Say that a pipeline, by its class in diffusers, takes no pictures as it is, and what to do."""
    ways = [one.brought_by for one in IMAGE_FAMILIES if one.pipeline == pipeline]
    known = sorted({one.pipeline for one in IMAGE_FAMILIES})
    way = f"name its {ways[0]} as images.path" if ways else f"draw with one of {', '.join(known)}"
    return f'{pipeline} takes no pictures as it is: {way}, or set images.references = "texts"'


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


def reading_files(images: PictureInput) -> dict[str, Path]:
    """Of the files that are loaded, those that read texts, by their places in the folder."""
    folder = Path(images.path)
    inside = {str(file.relative_to(folder)): file for file in image_files(images) if folder in file.parents}
    return {place: file for place, file in inside.items() if place.startswith(("text_encoder", "tokenizer"))}


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
