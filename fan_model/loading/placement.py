"""Where the parts of a pipeline lie, and when they come to the device that computes."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy

import torch
from diffusers import DiffusionPipeline
from torch import nn

from fan_model.loading.execution import Offload
from fan_model.loading.kept_memory import keep_freed_memory

ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


def without_encoders(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """A pipeline with the parts of the given one but its text encoders, to be called with conditions.

    Several pipelines compute in the number type of their text encoder, if there is one.
    """
    drawing = copy(pipeline)
    # Past the pipeline's own setter, which would write it into the configuration that both share.
    vars(drawing).update(dict.fromkeys(name for name in ENCODERS if hasattr(pipeline, name)))
    return drawing


class Placement:
    """The device of a pipeline, and what is kept off it until it is needed.

    diffusers brings the image model and the autoencoder when they are called. Text encoders are run layer by
    layer in our own code, where nobody would bring them: they come as a whole while texts are encoded, and
    nothing of them is on the device while pictures are drawn.
    """

    def __init__(self, device: str, offload: Offload = "none") -> None:
        self.device = torch.device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self._offload = offload
        self._num_at_work = 0
        self._lock = threading.Lock()

    @property
    def offloads(self) -> bool:
        """Whether anything is kept off the device."""
        return self._offload != "none"

    def bring(self, pipeline: DiffusionPipeline) -> None:
        """Put a pipeline onto the device, if nothing of it is to be kept off."""
        if self._offload == "none":
            pipeline.to(self.device)

    def offload(self, pipeline: DiffusionPipeline) -> DiffusionPipeline:
        """The pipeline that draws, with the given one's parts, some of which are kept off until needed."""
        drawing = without_encoders(pipeline)
        if self._offload == "model":
            drawing.enable_model_cpu_offload(device=self.device)
        if self._offload == "group":
            self._offload_groups(drawing)
        return drawing

    def _offload_groups(self, pipeline: DiffusionPipeline) -> None:
        streams = self.device.type == "cuda"
        for module in pipeline.components.values():
            if getattr(module, "_supports_group_offloading", False):
                module.enable_group_offload(
                    onload_device=self.device, offload_type="leaf_level", use_stream=streams
                )
            elif isinstance(module, nn.Module):
                module.to(self.device)

    @contextmanager
    def encoders_at_work(self, modules: Sequence[nn.Module]) -> Iterator[None]:
        """Have text encoders on the device, until the last of those who are encoding at a time is done."""
        if self._offload == "none":
            yield
            return
        with self._lock:
            self._num_at_work += 1
            self._move(modules, self.device)
        try:
            yield
        finally:
            with self._lock:
                self._num_at_work -= 1
                if not self._num_at_work:
                    self._move(modules, torch.device("cpu"))

    def _move(self, modules: Sequence[nn.Module], device: torch.device) -> None:
        for module in modules:
            module.to(device)
