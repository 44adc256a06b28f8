"""How a loaded pipeline computes: kernels of attention, compiled blocks, tiles, number types that differ."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline, ModelMixin

from fan_model.loading.execution import Attention, Execution, ExecutionError


class Finite(NamedTuple):
    """Whether all numbers of one picture are finite, where it can be told."""

    latents: bool = True
    decoded: bool = True


DECODED: ContextVar[list[Finite] | None] = ContextVar("decoded", default=None)
"""Of each latent that was decoded in this context."""


def image_model_of(pipeline: DiffusionPipeline) -> Any:  # noqa: ANN401 - a UNet or a transformer
    """The component that draws."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


def autoencoder_of(pipeline: DiffusionPipeline) -> Any:  # noqa: ANN401 - each family has its own
    """The component that makes pixels of latents."""
    return getattr(pipeline, "vae", None) or pipeline.movq


def set_kernels(pipeline: DiffusionPipeline, execution: Execution) -> None:
    """Let a pipeline compute as it is told to.

    Raises:
        ExecutionError: It cannot.
    """
    image_model = image_model_of(pipeline)
    if execution.attention != "default":
        set_attention(image_model, execution.attention)
    if execution.vae_tiling:
        _decode_in_tiles(autoencoder_of(pipeline))
    if execution.compile:
        compile_blocks(image_model)
    watch_decoding(autoencoder_of(pipeline))
    hold_type(autoencoder_of(pipeline))


def lay_out(pipeline: DiffusionPipeline) -> None:
    """Let an autoencoder in bfloat16 have the weights of its convolutions as a CPU reads them, channels last.

    It decodes in .4 to .6 of the time then (measured on one core of a Xeon, the bundled one and one of Stable
    Diffusion 1.5's shape). In float32 .8 would be gained at the price of bytes that depend on `offload`.
    """
    autoencoder = autoencoder_of(pipeline)
    if autoencoder.dtype != torch.bfloat16:
        return
    for module in autoencoder.modules():
        # Convolutions of films, in three dimensions, know no such order.
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


def _decode_in_tiles(autoencoder: Any) -> None:  # noqa: ANN401
    # diffusers' base class has the method for all; only those that decode tiles have the switch.
    if not hasattr(autoencoder, "use_tiling"):
        raise ExecutionError(f"model.vae_tiling must be false: {type(autoencoder).__name__} decodes no tiles")
    autoencoder.enable_tiling()


def set_attention(image_model: Any, attention: Attention) -> None:  # noqa: ANN401
    """Let the image model attend by a kernel of diffusers' dispatcher.

    Raises:
        ExecutionError: It does not attend through it, or the kernel's package is not there.
    """
    processors = [getattr(module, "processor", None) for module in image_model.modules()]
    if not any(hasattr(processor, "_attention_backend") for processor in processors):
        raise ExecutionError(
            f"model.attention must be default: {type(image_model).__name__} attends by torch's own kernels"
        )
    try:
        image_model.set_attention_backend(attention)
    except (RuntimeError, ValueError, ImportError) as error:
        raise ExecutionError(
            f"model.attention = {attention} cannot be used here: {str(error).splitlines()[0]}"
        ) from error


def compile_blocks(image_model: Any) -> None:  # noqa: ANN401
    """Compile the blocks that the image model repeats, each once for all of its kind; at their first call.

    Raises:
        ExecutionError: It does not say which of its blocks repeat.
    """
    # What may not be split between devices is a whole block, where repeated ones are not named as such.
    names = set(image_model._repeated_blocks or image_model._no_split_modules or ())
    blocks = [module for module in image_model.modules() if type(module).__name__ in names]
    if not blocks:
        raise ExecutionError(f"model.compile must be false: {type(image_model).__name__} repeats no blocks")
    for block in blocks:
        block.compile(dynamic=False)


def watch_decoding(autoencoder: Any) -> None:  # noqa: ANN401
    """Let an autoencoder read latents of any number type, and note which of them are no picture.

    It may be float32 where the image model is not.
    """
    autoencoder.decode = functools.partial(_in_own_type, autoencoder, autoencoder.decode, _note_finite)


def hold_type(autoencoder: Any) -> None:  # noqa: ANN401
    """Let an autoencoder encode pictures of any number type, and stay in the one that it was loaded in.

    Pipelines that begin with a picture cast those of `force_upcast` back and forth, and leave them in the
    image model's type, in which the next picture would come out otherwise, or not at all.
    """
    autoencoder.encode = functools.partial(_in_own_type, autoencoder, autoencoder.encode, _give_back_type)
    autoencoder.to = functools.partial(_move, autoencoder, autoencoder.to)


def _move(
    autoencoder: ModelMixin, to: Callable[..., ModelMixin], *given: object, **named: object
) -> ModelMixin:
    """Move to a device, and to no other number type."""
    places = [place for place in given if not isinstance(place, torch.dtype)]
    named = {name: value for name, value in named.items() if name != "dtype"}
    return to(*places, **named) if places or named else autoencoder


@contextmanager
def watched_decoding() -> Iterator[list[Finite]]:
    """What is seen of each latent decoded in the block; nothing of autoencoders that nobody watches."""
    decoded: list[Finite] = []
    token = DECODED.set(decoded)
    try:
        yield decoded
    finally:
        DECODED.reset(token)


def _in_own_type(
    autoencoder: ModelMixin,
    method: Callable[..., Any],
    finish: Callable[[torch.Tensor, Any], None],
    read: torch.Tensor,
    *given: object,
    **options: object,
) -> Any:  # noqa: ANN401 - what the autoencoder gives
    """Call a method of an autoencoder with what it reads in its own number type."""
    output = method(read.to(autoencoder.dtype), *given, **options)
    finish(read, output)
    return output


def _note_finite(latents: torch.Tensor, output: Any) -> None:  # noqa: ANN401
    decoded = DECODED.get()
    if decoded is not None:
        # Looked at here, for an infinity is a white or a black point once it is a pixel.
        decoded += map(Finite, _are_finite(latents), _are_finite(output[0]))


def _give_back_type(pictures: torch.Tensor, output: Any) -> None:  # noqa: ANN401
    """Let latents have the type that the pictures came in, which the image model's is."""
    if hasattr(output, "latent_dist"):
        latents = output.latent_dist
        output.latent_dist = type(latents)(latents.parameters.to(pictures.dtype))
    elif hasattr(output, "latents"):
        output.latents = output.latents.to(pictures.dtype)


def _are_finite(values: torch.Tensor) -> list[bool]:
    """[b] of [b, ...]."""
    return values.isfinite().flatten(1).all(dim=1).tolist()
