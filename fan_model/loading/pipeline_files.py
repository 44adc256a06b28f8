"""The files that a pipeline is made of: where they are, checksums that name them, and what is refused.

A pipeline is a folder as diffusers saves it, an id on the hub, or a single `.safetensors` file whose family
its weights' names tell; see `checkpoints`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fan_model.encoders.families import Family, accept_index

INDEX = "model_index.json"
PICKLE_SUFFIXES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}


Checksums = Mapping[str, str]
"""SHA-256 (hex) of each file of a pipeline, by its path inside the folder."""


class PipelineError(ValueError):
    """A pipeline that is not there, not safe to load, or not the one that was registered."""


HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
STATEMENT = "drawing.json"
"""Beside the index, where there is one: the steps and guidance that the model is drawn with."""
CHECKPOINT = "checkpoint.safetensors"
"""What checksums call a single file, whatever its own name is."""
WEIGHTS = {".safetensors", ".gguf"}


@dataclass(frozen=True)
class PipelineFiles:
    """Where a pipeline's files are."""

    folder: Path
    """Of the whole pipeline; with a single file, that of its configurations and tokenizers."""
    checkpoint: Path | None = None
    """The single file of all weights, if there is one."""

    @cached_property
    def index(self) -> dict[str, Any]:
        """What `model_index.json` says."""
        return read_index(self.folder)

    @property
    def family(self) -> Family:
        """What the pipeline is.

        Raises:
            UnsupportedPipelineError: It cannot be drawn with.
        """
        return accept_index(self.index)

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Every file that is loaded, by what checksums call it."""
        if self.checkpoint is None:
            stated = [self.folder / STATEMENT] if (self.folder / STATEMENT).is_file() else []
            files = [self.folder / INDEX, *stated, *component_files(self.folder)]
            return {path.relative_to(self.folder).as_posix(): path for path in files}
        whole = PipelineFiles(self.folder).paths
        configs = {name: path for name, path in whole.items() if path.suffix not in WEIGHTS}
        return {**configs, CHECKPOINT: self.checkpoint}

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.paths.values())

    def checksums(self) -> Checksums:
        """Checksum every file of the components that the pipeline draws with.

        Raises:
            PipelineError: The folder holds no pipeline, or a component's weights are pickled.
        """
        return {name: file_checksum(path) for name, path in self.paths.items()}


def pipeline_fingerprint(checksums: Checksums) -> str:
    """Checksum (hex) over all the pipeline's files."""
    return _digest_files(checksums)


def encoder_fingerprint(checksums: Checksums) -> str:
    """Checksum (hex) over the text encoders and their tokenizers: equal ones mean comparable vectors."""
    return _digest_files({path: checksum for path, checksum in checksums.items() if _makes_text(path)})


def verify_checksums(checksums: Checksums, expected: Checksums) -> None:
    """Compare a pipeline's files with those that were registered.

    Raises:
        PipelineError: A file is another one, missing or new.
    """
    differing = sorted(dict(checksums.items() ^ expected.items()))
    if differing:
        raise PipelineError(
            f"{len(differing)} of the pipeline's files are not those that were registered: "
            f"{', '.join(differing[:5])}; restore them or register the pipeline anew"
        )


def component_files(folder: Path) -> list[Path]:
    """Files of the components that `model_index.json` names, sorted.

    Raises:
        PipelineError: The folder holds no pipeline, or a component's weights are pickled.
    """
    present = [name for name, kind in _components(folder).items() if kind is not None]
    files = sorted(path for name in present for path in (folder / name).rglob("*") if path.is_file())
    pickled = [str(path.relative_to(folder)) for path in files if path.suffix.lower() in PICKLE_SUFFIXES]
    if pickled:
        raise PipelineError(
            f"pickled weights are refused: {', '.join(pickled)}; save the pipeline as safetensors"
        )
    return files


def absent_components(folder: Path) -> list[str]:
    """Components that the pipeline was saved without; diffusers wants to be told when it loads."""
    return [name for name, kind in _components(folder).items() if kind is None]


def lost_components(folder: Path) -> list[str]:
    """Components that the pipeline names, and whose folder is not there.

    Raises:
        PipelineError: if the folder holds no pipeline.
    """
    return [name for name, kind in _components(folder).items() if kind and not (folder / name).is_dir()]


def read_index(folder: Path) -> dict[str, Any]:
    """What `model_index.json` says: the pipeline's class, and each component's library and class.

    Raises:
        PipelineError: The folder holds no pipeline.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text())
    except (OSError, ValueError):
        raise PipelineError(
            f"{folder} holds no pipeline: {INDEX} is missing or no JSON; save the pipeline anew"
        ) from None
    return index


def _components(folder: Path) -> dict[str, str | None]:
    """Each component in `model_index.json`, and the library that its class is from."""
    return {name: value[0] for name, value in read_index(folder).items() if isinstance(value, list)}


def _makes_text(path: str) -> bool:
    return path.startswith(("text_encoder", "tokenizer", CHECKPOINT))


def _digest_files(checksums: Checksums) -> str:
    lines = (f"{path} {checksum}\n" for path, checksum in checksums.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_checksum(path: Path) -> str:
    """SHA-256 (hex) of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
