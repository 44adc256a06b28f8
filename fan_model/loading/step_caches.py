"""diffusers' caches: what hardly changes from one denoising step to the next is not computed anew."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import diffusers
from diffusers import DiffusionPipeline

from fan_model.loading.execution import ExecutionError, StepCache
from fan_model.loading.kernels import image_model_of

FLUX, FLUX_2, QWEN = "FluxTransformer2DModel", "Flux2Transformer2DModel", "QwenImageTransformer2DModel"
CACHED: Mapping[str, frozenset[str]] = {
    "first_block": frozenset({FLUX, QWEN}),
    "taylorseer": frozenset({FLUX, FLUX_2, QWEN}),
    "faster": frozenset({FLUX}),
}
"""Image models that each cache was tried with; diffusers offers them to others too, where some break."""

WITHOUT_CONTEXTS = {"Flux2Pipeline"}
"""Pipelines that do not tell a cache which rows it sees; of the same image model, that of klein does."""

DRAWING: ContextVar[DiffusionPipeline | None] = ContextVar("drawing", default=None)
"""The pipeline that draws in this context, whose time step a cache asks for."""


def set_step_cache(pipeline: DiffusionPipeline, cache: StepCache) -> None:
    """Let a pipeline's image model reuse what it computed.

    Raises:
        ExecutionError: diffusers has no such cache for it.
    """
    image_model = image_model_of(pipeline)
    name = type(image_model).__name__
    if type(pipeline).__name__ in WITHOUT_CONTEXTS:
        raise ExecutionError(f"model.step_cache must be none: {type(pipeline).__name__} takes no cache")
    if name not in CACHED[cache]:
        others = [one for one, models in CACHED.items() if name in models] or ["none"]
        raise ExecutionError(f"model.step_cache must be {' or '.join(others)}: {cache} does not suit {name}")
    image_model.enable_cache(_config(image_model, cache))


@contextmanager
def time_steps_of(pipeline: DiffusionPipeline) -> Iterator[None]:
    """Let caches ask this pipeline for its time step, in the block."""
    token = DRAWING.set(pipeline)
    try:
        yield
    finally:
        DRAWING.reset(token)


def _config(image_model: Any, cache: StepCache) -> Any:  # noqa: ANN401 - each cache has a class of its own
    if cache == "first_block":
        return diffusers.FirstBlockCacheConfig(threshold=0.05)
    if cache == "taylorseer":
        return diffusers.TaylorSeerCacheConfig(taylor_factors_dtype=image_model.dtype)
    # No pipeline here draws guided and unguided rows as one batch, which is what it would skip otherwise.
    return diffusers.FasterCacheConfig(current_timestep_callback=_time_step, is_guidance_distilled=True)


def _time_step() -> int:
    """Of the pipeline that draws in this context."""
    pipeline = DRAWING.get()
    step = None if pipeline is None else pipeline.current_timestep
    return -1 if step is None else int(step)
