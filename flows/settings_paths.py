"""Relative paths in a settings file: they start at the file's own folder."""

from pathlib import Path
from typing import Any

from feature_store.schemas.addresses import address_of


def resolve_paths(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Let relative paths in the file start at the file's own folder, wherever the command is run."""
    content.setdefault("workspace", "workspace")
    _anchor(content, "workspace", folder)
    for source in _tables(content, "sources"):
        _anchor(source, "path", folder)
    _anchor_places(content.get("pictures"), folder)
    _anchor(content.get("safety"), "blocklist", folder)
    _anchor(content.get("serving"), "tokens_file", folder)
    evaluation = content.get("evaluation")
    _anchor(evaluation.get("data") if isinstance(evaluation, dict) else None, "path", folder)
    _anchor_model(content.get("model"), folder)
    _anchor(evaluation, "judge", folder, with_file="config.json")
    _anchor(content.get("describe"), "model", folder, with_file="config.json")
    _anchor(content.get("images"), "path", folder, with_file="")
    _anchor(content.get("images"), "encoder", folder, with_file="config.json")
    return content


def _tables(content: dict[str, Any], key: str) -> list[Any]:
    """The tables of a list; none where the setting holds something else, which is told later."""
    tables = content.get(key)
    return tables if isinstance(tables, list) else []


def _anchor_model(model: object, folder: Path) -> None:
    """Let the model's files start at the folder; a pipeline or its configurations may be a hub id instead."""
    if not isinstance(model, dict):
        return
    _anchor(model, "image_model", folder)
    for key in ("pipeline", "configs"):
        is_file = str(model.get(key)).endswith(".safetensors")
        _anchor(model, key, folder, with_file="" if is_file else "model_index.json")
    for adapter in _tables(model, "adapters"):
        _anchor(adapter, "path", folder)


def _anchor_places(pictures: object, folder: Path) -> None:
    """Let each folder that pictures may be read from start at the folder."""
    if isinstance(pictures, dict) and isinstance(allowed := pictures.get("allowed"), list):
        pictures["allowed"] = [
            str(folder / Path(place).expanduser())
            if isinstance(place, str) and _is_relative(place)
            else place
            for place in allowed
        ]


def _anchor(table: object, key: str, folder: Path, *, with_file: str | None = None) -> None:
    """Let a path start at the folder; one that may be a hub id, only if there is such a file in it.

    An address (`s3://...`) stays as it is.
    """
    if isinstance(table, dict) and isinstance(value := table.get(key), str) and _is_relative(value):
        path = folder / Path(value).expanduser()
        if with_file is None or (path / with_file).exists():
            table[key] = str(path)


def _is_relative(value: str) -> bool:
    """Whether a text may be a path that starts at the folder: no address, nor nothing."""
    return bool(value.strip()) and "://" not in value and address_of(Path(value)) is None
