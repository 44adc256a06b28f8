"""Names for what never changes silently: checksums of a pipeline's files, and the digest of a picture."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fan_model.requests import ArtworkRequest, DrawingOptions, describe

PICKLE_SUFFIXES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}


def pipeline_revision(folder: Path) -> str:
    """Checksum (hex) over every file of the components that the pipeline draws with."""
    return _digest_files(folder, [folder / "model_index.json", *component_files(folder)])


def encoder_revision(folder: Path) -> str:
    """Checksum (hex) over the text encoders and their tokenizers: equal revisions mean comparable vectors."""
    return _digest_files(
        folder, [path for path in component_files(folder) if _makes_text(path.relative_to(folder))]
    )


def artwork_digest(request: ArtworkRequest, options: DrawingOptions, pipeline_revision: str) -> str:
    """Digest (hex) of everything that a picture is made of: the same digest is the same picture.

    `request` holds the references that are used. Their order, and a common factor of their weights, do not
    matter.
    """
    made_of: dict[str, Any] = {**describe(request, options), "pipeline_revision": pipeline_revision}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def component_files(folder: Path) -> list[Path]:
    """Files of the components that `model_index.json` names, sorted.

    Raises:
        FileNotFoundError: The folder holds no pipeline.
        ValueError: A component's weights are pickled.
    """
    present = [name for name, kind in _components(folder).items() if kind is not None]
    files = sorted(path for name in present for path in (folder / name).rglob("*") if path.is_file())
    pickled = [str(path.relative_to(folder)) for path in files if path.suffix in PICKLE_SUFFIXES]
    if pickled:
        raise ValueError(
            f"pickled weights are refused: {', '.join(pickled)}; save the pipeline as safetensors"
        )
    return files


def absent_components(folder: Path) -> list[str]:
    """Components that the pipeline was saved without; diffusers wants to be told when it loads."""
    return [name for name, kind in _components(folder).items() if kind is None]


def _components(folder: Path) -> dict[str, str | None]:
    """Each component in `model_index.json`, and the library that its class is from."""
    index = json.loads((folder / "model_index.json").read_text())
    return {name: value[0] for name, value in index.items() if isinstance(value, list)}


def _makes_text(path: Path) -> bool:
    return path.parts[0].startswith(("text_encoder", "tokenizer"))


def _digest_files(folder: Path, files: Iterable[Path]) -> str:
    lines = (f"{path.relative_to(folder).as_posix()} {_sha256(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
