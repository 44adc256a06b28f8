"""The last layers of what computes in bfloat16, in single precision: all of a picture goes through them.

The weights of the bundled UNet's last two layers, 12,000 of nine million, rounded alone change pictures twice
as much as all the others do (measured, docs/how-to/gpu.md).
"""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open

IMAGE_MODELS = ("unet",)
"""Transformers are left as they are: nothing was measured of theirs."""
AUTOENCODERS = ("vae", "movq")
COLOURS = 3
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model-?????-of-?????.safetensors")
"""Of the weights that are loaded, whole or in parts; others beside them are variants of them."""


def has_last_layers(types: Mapping[str, str]) -> bool:
    """Whether components of these number types, by torch's names, may have layers of another."""
    return any(types.get(name) == "bfloat16" for name in (*IMAGE_MODELS, *AUTOENCODERS))


def refine_last_layers(pipeline: DiffusionPipeline, stored: Mapping[str, Path]) -> None:
    """Let the last layers of a UNet and of an autoencoder that are in bfloat16 compute in single precision.

    Args:
        pipeline: In the computer's memory or on a device.
        stored: The folders in which weights of components are stored under diffusers' names; those of others
            are widened as they were loaded.
    """
    for name in (*IMAGE_MODELS, *AUTOENCODERS):
        component = getattr(pipeline, name, None)
        if component is None or component.dtype != torch.bfloat16:
            continue
        layers = _last_layers(component)
        _refine(component, layers, stored.get(name))
        if layers and name in IMAGE_MODELS:
            # What it predicts is single precision, and so are the latents that it is given next.
            component.register_forward_pre_hook(_narrow, with_kwargs=True)


def _refine(component: torch.nn.Module, layers: list[str], folder: Path | None) -> None:
    for layer in layers:
        component.get_submodule(layer).float()
    _restore(component, layers, folder)
    for first in layers[:1]:
        component.get_submodule(first).register_forward_pre_hook(_widen)


def _last_layers(component: torch.nn.Module) -> list[str]:
    """Names: a UNet's normalization and convolution, a decoder's convolution to colours, or nothing."""
    if getattr(component, "conv_norm_out", None) is not None:
        return ["conv_norm_out", "conv_out"]
    convolutions = [
        (name, module)
        for name, module in component.named_modules()
        if name.startswith("decoder.") and isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d)
    ]
    # A film's decoder ends with a convolution in three dimensions, which remembers the pictures before.
    is_last = bool(convolutions) and isinstance(convolutions[-1][1], torch.nn.Conv2d)
    return [convolutions[-1][0]] if is_last and convolutions[-1][1].out_channels == COLOURS else []


def _restore(component: torch.nn.Module, layers: list[str], folder: Path | None) -> None:
    """Read weights of these layers anew, as they are stored."""
    for file in chain.from_iterable(map(folder.glob, FILES)) if folder else ():
        with safe_open(file, "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 - it is no mapping
                if name.rpartition(".")[0] in layers:
                    component.get_parameter(name).data.copy_(stored.get_tensor(name))


def _widen(_: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return given[0].float(), *given[1:]


def _narrow(
    unet: Any,  # noqa: ANN401 - diffusers' UNets have no common class
    given: tuple[Any, ...],
    named: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if given:
        return (given[0].to(unet.dtype), *given[1:]), named
    return given, named | {"sample": named["sample"].to(unet.dtype)}
