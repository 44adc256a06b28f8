"""A pipeline from its files into memory, as an `Execution` says, and the fingerprint of what it becomes."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from fan_model.image_references.image_parts import ImageParts
from fan_model.loading.adapters import adapt, check_adapters
from fan_model.loading.checkpoints import recognize
from fan_model.loading.devices import check_device, is_cpu
from fan_model.loading.execution import Execution, ExecutionError
from fan_model.loading.image_encoders import (
    check_images,
    image_files,
    load_image_parts,
    load_ip_adapter,
    reading_files,
)
from fan_model.loading.kernels import lay_out, set_kernels
from fan_model.loading.last_layers import has_last_layers, refine_last_layers
from fan_model.loading.number_types import component_types, read_header
from fan_model.loading.picture_input import PictureInput
from fan_model.loading.pipeline_files import (
    HUB_ID,
    Checksums,
    PipelineError,
    PipelineFiles,
    absent_components,
    encoder_fingerprint,
    file_checksum,
    pipeline_fingerprint,
)
from fan_model.loading.quantizing import quantization_of, require_package
from fan_model.loading.step_caches import set_step_cache

LOOKING = ("image_encoder/", "feature_extractor/")
"""Folders of the components that look at pictures, where they are the pipeline's own."""
CONFIGS = ["*.json", "*.txt", "*.model", "*.jinja"]
"""Files of configurations and tokenizers."""


@dataclass(frozen=True)
class PipelineLoader:
    """A pipeline on disk, and how it is to be run; each call of `load` makes a replica.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """

    files: PipelineFiles
    execution: Execution
    images: PictureInput | None = None
    """What lets the pipeline look at pictures, where it cannot by itself."""

    def __post_init__(self) -> None:
        for device in self.execution.all_devices:
            check_device(device)
        check_images(self.images, self.files.family)
        check_adapters(self.execution.adapters)
        looks = self.images is not None or self.files.family.needs_picture
        if looks and self.execution.offload != "none":
            raise ExecutionError("model.offload must be none: what looks at pictures stays on the device")

    @cached_property
    def types(self) -> dict[str, str]:
        """The number type of each component."""
        files, execution = self.files, self.execution
        device = execution.all_devices[0]
        return component_types(files.folder, files.index, files.family, execution.dtype, device)

    def pipeline_fingerprint(self, checksums: Checksums) -> str:
        """Checksum (hex) over all that makes the pipeline draw what it draws: its files, and how it is run.

        Run as by default on a CPU, it is that of the files alone.
        """
        of_files = pipeline_fingerprint(checksums)
        made = self._makes()
        if not made:
            return of_files
        return hashlib.sha256(json.dumps([of_files, made], sort_keys=True).encode()).hexdigest()

    def encoder_fingerprint(self, checksums: Checksums) -> str:
        """Checksum (hex) over what makes vectors: text encoders, tokenizers, adapters of either."""
        adapters = self.execution.adapters
        changing = {
            f"text_encoder/{place}": file_checksum(Path(one.path))
            for place, one in enumerate(adapters)
            if one.kind == "textual_inversion" or _changes_encoders(Path(one.path))
        }
        brought = reading_files(self.images) if self.images and not self.files.family.text_encoders else {}
        changing |= {place: file_checksum(file) for place, file in brought.items()}
        return encoder_fingerprint({**checksums, **changing})

    def image_fingerprint(self, checksums: Checksums) -> str:
        """Checksum (hex) over what makes embeddings of pictures: image encoder, processor, number types."""
        own = {path: checksum for path, checksum in checksums.items() if path.startswith(LOOKING)}
        made = [own, self._image_checksums, self._other_types]
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()

    def load(self, device: str) -> DiffusionPipeline:
        """Load the pipeline, in the computer's memory if it is not quantized.

        Raises:
            ExecutionError: It cannot be run so.
            PipelineError: Its files do not hold it.
        """
        with _current(device):
            pipeline = self._load_whole() if self.files.checkpoint is None else self._load_checkpoint()
        if self.images is not None:
            load_ip_adapter(pipeline, self.images)
        # After the IP-Adapter, which makes all of one type, and before a LoRA, which may change these layers.
        refine_last_layers(pipeline, self._stored)
        adapt(pipeline, self.execution.adapters, quantized=self._is_quantized)
        set_kernels(pipeline, self.execution)
        if is_cpu(device) and self.execution.quantization == "none":
            lay_out(pipeline)
        if self.execution.step_cache != "none":
            set_step_cache(pipeline, self.execution.step_cache)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def load_image_parts(self, device: str) -> ImageParts | None:
        """What looks at pictures for the pipeline, on its device; None where that is its own, or nothing.

        Raises:
            PipelineError: The files do not hold it.
        """
        kind = self.types[self.files.family.image_model[0]]
        return load_image_parts(self.images, getattr(torch, kind), device)

    def _load_whole(self) -> DiffusionPipeline:
        classes = {name: kind[1] for name, kind in self.files.index.items() if isinstance(kind, list)}
        quantized = quantization_of(self.execution.quantization, self.files.family, classes, self.types)
        return DiffusionPipeline.from_pretrained(
            self.files.folder,
            dtype={name: getattr(torch, kind) for name, kind in self.types.items()},
            use_safetensors=True,
            local_files_only=True,
            **({} if quantized is None else {"quantization_config": quantized}),
            **dict.fromkeys(absent_components(self.files.folder)),
            **self._image_model(),
        )

    def _load_checkpoint(self) -> DiffusionPipeline:
        if self.execution.quantization != "none":
            raise ExecutionError("model.quantization must be none where model.pipeline is a single file")
        family, checkpoint = self.files.family, self.files.checkpoint
        kind = getattr(diffusers, family.pipeline)
        try:
            pipeline = kind.from_single_file(
                str(checkpoint),
                config=str(self.files.folder),
                dtype=getattr(torch, self.types[family.image_model[0]]),
                local_files_only=True,
                **dict.fromkeys(absent_components(self.files.folder)),
                **self._image_model(),
            )
        except (ValueError, RuntimeError, KeyError, OSError) as error:
            name = checkpoint.name if checkpoint else ""
            raise PipelineError(
                f"{name} does not hold a whole {family.pipeline} that fits the configurations in "
                f"{self.files.folder}: name others as model.configs, or the file as model.image_model"
            ) from error
        for name, of in self.types.items():
            if (part := getattr(pipeline, name, None)) is not None:
                part.to(getattr(torch, of))
        return pipeline

    def _image_model(self) -> dict[str, Any]:
        """The image model of a file of its own, by its component's name; nothing if there is none."""
        file = self.execution.image_model
        if file is None:
            return {}
        if not file.is_file():
            raise ExecutionError(f"the file {file} of model.image_model is not there: restore it")
        name, kind = self.files.family.image_model
        dtype = getattr(torch, self.types[name])
        options: dict[str, Any] = {"dtype": dtype}
        if file.suffix == ".gguf":
            require_package("gguf", "model.image_model")
            options["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
        folder = str(self.files.folder)
        try:
            model = getattr(diffusers, kind).from_single_file(
                str(file), config=folder, subfolder=name, local_files_only=True, **options
            )
        except (ValueError, RuntimeError, KeyError, OSError) as error:
            raise ExecutionError(
                f"{file.name} of model.image_model does not fit the pipeline's {kind}"
            ) from error
        return {name: model}

    def _makes(self) -> dict[str, Any]:
        """What of the execution changes pictures, with files by their content."""
        made = self.execution.makes()
        files = [Path(one.path) for one in self.execution.adapters]
        files += [self.execution.image_model] if self.execution.image_model else []
        told: dict[str, Any] = {
            "types": self._other_types,
            "files": [file_checksum(file) for file in files if file.is_file()] + self._image_checksums,
            "image_scale": self.images.scale if self.images else None,
            "last_layers": "float32" if has_last_layers(self.types) else None,
        }
        return made | {name: value for name, value in told.items() if value}

    @property
    def _is_quantized(self) -> bool:
        """Whether the image model is, by a setting or in its file."""
        file = self.execution.image_model
        return self.execution.quantization != "none" or (file is not None and file.suffix == ".gguf")

    @property
    def _stored(self) -> dict[str, Path]:
        """Folders of the components whose weights have diffusers' names; those of other files have others."""
        if self.files.checkpoint is not None:
            return {}
        folders = {name: self.files.folder / name for name in self.types}
        if self.execution.image_model is not None:
            del folders[self.files.family.image_model[0]]
        return folders

    @cached_property
    def _image_checksums(self) -> list[str]:
        """Of the files that let the pipeline look at pictures, where it cannot by itself."""
        return [file_checksum(file) for file in image_files(self.images)] if self.images else []

    @property
    def _other_types(self) -> dict[str, str]:
        """The components that are not of single precision."""
        return {name: kind for name, kind in self.types.items() if kind != "float32"}


def find_pipeline(
    pipeline: str | Path, revision: str | None = None, configs: str | None = None
) -> PipelineFiles:
    """The files of a pipeline, fetched from the hub if they are not here already.

    Args:
        pipeline: A folder, a single `.safetensors` file, or an id on the hub.
        revision: Branch, tag or commit on the hub.
        configs: Of a single file: a folder or an id on the hub with its configurations.

    Raises:
        PipelineError: It is neither here nor to be had from the hub.
    """
    path = Path(pipeline)
    if path.is_dir():
        return PipelineFiles(path)
    if path.is_file():
        kind = recognize(path)
        files = PipelineFiles(_find_configs(configs or kind.configs), path)
        if files.index.get("_class_name") != kind.family.pipeline:
            raise PipelineError(
                f"{path.name} is a checkpoint of {kind.family.pipeline}, and its configurations are those of "
                f"{files.index.get('_class_name')}: name others as model.configs"
            )
        return files
    if not HUB_ID.fullmatch(str(pipeline)):
        raise PipelineError(f"there is no pipeline in {pipeline}: restore the folder, or name another")
    try:
        return PipelineFiles(
            Path(DiffusionPipeline.download(str(pipeline), revision=revision, use_safetensors=True))
        )
    except OSError as error:
        raise PipelineError(
            f"{pipeline} is no folder, and cannot be had from the hub: check its name and the connection"
        ) from error


def _find_configs(configs: str) -> Path:
    if Path(configs).is_dir():
        return Path(configs)
    try:
        return Path(snapshot_download(configs, allow_patterns=CONFIGS))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise PipelineError(
            f"the configurations of {configs} cannot be had from the hub: name a folder as model.configs"
        ) from error


def _changes_encoders(file: Path) -> bool:
    """Whether a LoRA changes text encoders as well."""
    return any("text_encoder" in name or "lora_te" in name for name in read_header(file))


@contextlib.contextmanager
def _current(device: str) -> Iterator[None]:
    """Let what loads onto a GPU by itself, as bitsandbytes does, take this one."""
    with torch.cuda.device(device) if device.startswith("cuda") else contextlib.nullcontext():
        yield
