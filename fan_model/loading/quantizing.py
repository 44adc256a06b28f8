"""Quantization while loading: diffusers' and transformers' own configurations, for the large components."""

import importlib.util
from collections.abc import Mapping
from typing import Any

import torch

from fan_model.encoders.families import Family
from fan_model.loading.execution import ExecutionError, Quantization
from fan_model.loading.number_types import OVERFLOWING

EXTRA = "fan-artwork[quantization]"


def quantization_of(
    quantization: Quantization, family: Family, classes: Mapping[str, str], types: Mapping[str, str]
) -> Any:  # noqa: ANN401 - a PipelineQuantizationConfig, or None
    """What `from_pretrained` is told: how the image model and the large text encoders are quantized.

    CLIP and the autoencoder are small, and stay as they are.

    Args:
        quantization: What was asked for.
        family: Of the pipeline.
        classes: Class of each component.
        types: Number type of each component, which computation keeps.

    Raises:
        ExecutionError: The package that does it is not installed.
    """
    if quantization == "none":
        return None
    from diffusers import PipelineQuantizationConfig

    package = quantization.partition("-")[0]
    require_package(package, f"model.quantization = {quantization}")
    image_model, _ = family.image_model
    encoders = [name for name, kind in classes.items() if kind in OVERFLOWING]
    mapping = {image_model: _config("diffusers", quantization, types[image_model])}
    mapping |= {name: _config("transformers", quantization, types[name]) for name in encoders}
    return PipelineQuantizationConfig(quant_mapping=mapping)


def require_package(package: str, setting: str) -> None:
    """Look whether a package is installed.

    Raises:
        ExecutionError: It is not.
    """
    if importlib.util.find_spec(package) is None:
        raise ExecutionError(f"{setting} needs the package {package}: `pip install '{EXTRA}'` brings it")


def _config(library: str, quantization: Quantization, compute: str) -> Any:  # noqa: ANN401
    module = importlib.import_module(library)
    dtype = getattr(torch, compute)
    if quantization == "bitsandbytes-8bit":
        return module.BitsAndBytesConfig(load_in_8bit=True)
    if quantization == "bitsandbytes-4bit":
        four_bits = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
        return module.BitsAndBytesConfig(**four_bits)
    torchao = importlib.import_module("torchao.quantization")
    kind = torchao.Int8WeightOnlyConfig if quantization == "torchao-int8" else torchao.Float8WeightOnlyConfig
    return module.TorchAoConfig(kind())
