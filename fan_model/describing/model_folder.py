"""Where a vision-language model's files are, and the digest of what makes its answers."""

import hashlib
import json
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from fan_model.describing.description_options import DescriptionOptions
from fan_model.loading.pipeline_files import file_checksum

READ = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
"""Files that a model is loaded from: configurations, tokenizers, templates and weights, and no code."""
CONFIG = "config.json"


class DescriberError(RuntimeError):
    """The model cannot be had, loaded or run; the message names the setting."""


def find_model(model: str, revision: str | None = None) -> Path:
    """Return the folder of a model, fetched from the hub if it is no folder and not here already.

    Raises:
        DescriberError: It is neither here nor to be had from the hub.
    """
    folder = Path(model)
    if folder.is_dir():
        if not (folder / CONFIG).exists():
            raise DescriberError(
                f"{folder} has no {CONFIG}: name the folder of a saved model as describe.model"
            )
        return folder
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(READ)))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise DescriberError(
            f"{model} is no folder, and cannot be had from the hub: check describe.model and the connection"
        ) from error


def describer_digest(folder: Path, options: DescriptionOptions) -> str:
    """Digest (hex) of a model's files and of what is asked of it: the same digest gives the same answers."""
    files = sorted(path for pattern in READ for path in folder.rglob(pattern))
    checksums = {path.relative_to(folder).as_posix(): file_checksum(path) for path in files}
    told = {"files": checksums, "asked": options.makes()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
