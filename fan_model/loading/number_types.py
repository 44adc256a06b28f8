"""Which number type each component is loaded in: what was asked for, or what it is known to bear.

float16 has the precision of photographs and ends at 65,504, where T5, language models and SD XL's own
autoencoder go on: they give infinities, and black pictures. bfloat16 goes as far as float32.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fan_model.encoders.families import FAMILIES, Family
from fan_model.loading.devices import is_cpu
from fan_model.loading.execution import NumberType

OVERFLOWING = {"T5EncoderModel"} | {
    name
    for family in FAMILIES
    if family.prompt_call is not None
    for names in family.text_encoders.values()
    for name in names
}
"""Classes of text encoders whose states are too large for float16."""
SMALL = {"CLIPTextModel", "CLIPTextModelWithProjection"}
"""Classes of text encoders that take little of a CPU's time; what their rounding changes can be seen."""
AUTOENCODER = "vae"
STORED = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
"""What files call number types, and what torch does."""


def component_types(
    folder: Path, index: Mapping[str, Any], family: Family, asked: NumberType, device: str
) -> dict[str, str]:
    """The number type of each component that has weights, by torch's names.

    Args:
        folder: Of the pipeline; weights may be missing in it, configurations not.
        index: Its `model_index.json`.
        family: What it is.
        asked: Type that was asked for.
        device: Where it will run.
    """
    kinds = {name: value[1] for name, value in index.items() if isinstance(value, list) and value[0]}
    weighted = {name: kind for name, kind in kinds.items() if (folder / name / "config.json").exists()}
    wanted = _wanted(folder, family, asked, device)
    types = {name: _borne(kind, _config(folder / name), name, wanted) for name, kind in weighted.items()}
    if not is_cpu(device) or wanted != "bfloat16":
        return types
    return types | {name: "float32" for name, kind in weighted.items() if kind in SMALL}


def _wanted(folder: Path, family: Family, asked: NumberType, device: str) -> str:
    """What components have where nothing speaks against it."""
    if asked != "auto":
        return asked
    if is_cpu(device):
        return "float32"
    # A checkpoint that was saved in bfloat16 was trained in it, and may be too large for float16.
    is_wide = stored_type(folder / family.image_model[0]) == "bfloat16"
    return "bfloat16" if is_wide else family.half


def _borne(kind: str, config: Mapping[str, Any], name: str, wanted: str) -> str:
    if wanted != "float16":
        return wanted
    if kind in OVERFLOWING:
        return "bfloat16"
    return "float32" if name == AUTOENCODER and config.get("force_upcast") else wanted


def stored_type(folder: Path) -> str | None:
    """The number type that most of a component's weights are stored in; None if there are none to read."""
    sizes: dict[str, int] = {}
    for file in folder.glob("*.safetensors"):
        for tensor in read_header(file).values():
            begin, end = tensor["data_offsets"]
            sizes[tensor["dtype"]] = sizes.get(tensor["dtype"], 0) + end - begin
    return STORED.get(max(sizes, key=lambda name: sizes[name])) if sizes else None


def read_header(file: Path) -> dict[str, Any]:
    """Names, types, shapes and places of the tensors in a safetensors file; no weight is read.

    Raises:
        ValueError: It is no such file.
    """
    with file.open("rb") as opened:
        length = opened.read(8)
        if len(length) < 8 or (size := struct.unpack("<Q", length)[0]) > file.stat().st_size:
            raise ValueError(f"{file.name} is no safetensors file, or only its beginning: fetch it anew")
        header: dict[str, Any] = json.loads(opened.read(size))
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}


def _config(folder: Path) -> Mapping[str, Any]:
    config: Mapping[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config
