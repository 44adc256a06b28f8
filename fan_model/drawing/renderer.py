"""From conditions to pixels: the image model at work, batch after batch, and what it does when memory ends.

Legend: b pictures of a batch.
"""

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, TypeVar

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from fan_model.drawing.batch_sizes import BatchSize
from fan_model.drawing.images import SpoiltPictureError, develop
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.starting import (
    StartPicture,
    are_alike,
    image_to_image,
    start_of,
    starting_arguments,
)
from fan_model.drawing.threads import drawing_threads
from fan_model.encoders.breaks import break_between_steps, with_breaks
from fan_model.encoders.conditioning import Conditioner
from fan_model.encoders.linear_layers import fill_row_blocks
from fan_model.loading.devices import is_out_of_memory
from fan_model.loading.kernels import (
    Finite,
    autoencoder_of,
    image_model_of,
    watched_decoding,
)
from fan_model.loading.step_caches import time_steps_of
from fan_model.request_errors import RequestError

ROWS_MULTIPLE = 4
"""The image model is given a multiple of so many rows. A matrix product works row blocks of this size alike,
but the rows left over differently: not filled up, a picture would depend on its batch in its last bit."""

Requests = Sequence[ArtworkRequest]
Conditions = dict[str, Any]
Condition = Callable[[Requests, DrawingOptions], Conditions]
Wanted = TypeVar("Wanted")


class DeviceFullError(RequestError):
    """The device has no memory for what is asked of it now."""

    http_status = 503


Painted = Image.Image | SpoiltPictureError | DeviceFullError | None
"""A picture, what is wrong with it, or None where the pipeline's safety checker refused it."""


class Renderer:
    """Draws batches of conditions; may be shared between threads.

    While a batch is drawn, a thread of its own encodes the texts of the next one.

    Args:
        pipeline: Draws.
        conditioner: Of the pipeline's family.
        condition: Makes what the pipeline's call takes for some requests, at most a batch.
        batch_size: Pictures drawn at a time.
        fixed_shapes: Fill batches up to powers of two, so that compiled code serves them.
        one_at_a_time: Let one thread draw while others wait: hooks that bring weights keep a state.
        draws_alone: Draw one picture at a time, whatever the family would allow.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        conditioner: Conditioner,
        condition: Condition,
        batch_size: BatchSize,
        *,
        fixed_shapes: bool = False,
        one_at_a_time: bool = False,
        draws_alone: bool = False,
    ) -> None:
        self._one_at_a_time = threading.Lock() if one_at_a_time else None
        fill_row_blocks(image_model_of(pipeline))
        self._pipeline, self._conditioner = pipeline, conditioner
        self._condition, self.batch_size = condition, batch_size
        self._fixed_shapes = fixed_shapes
        self._draws_alone = draws_alone or conditioner.draws_alone
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode-ahead")

    def render(
        self, requests: Requests, options: DrawingOptions, *, halves: bool = True
    ) -> Iterator[Painted]:
        """The picture of each request, or what is wrong with it, in order, a batch as soon as it is drawn.

        Where memory runs out, half of a batch is tried, and so many at a time from then on.

        Args:
            requests: Whose references are all used.
            options: Hold for all of them.
            halves: Whether to try; or else to give all of it up at once, for somebody waits.

        Raises:
            DeviceFullError: Memory ran out, and nothing is to be tried; the next call takes half as many.
        """
        start = 0
        ahead: Future[Conditions] | None = None
        while start < len(requests):
            batch = self._next(requests, start)
            following = self._next(requests, start + len(batch))
            done = self._try(batch, options, ahead, following)
            ahead = done[1] if done else None
            painted = done[0] if done else self._shrink(len(batch), halves=halves)
            start += len(painted)
            yield from painted

    def _next(self, requests: Requests, start: int) -> Requests:
        size = 1 if self._draws_alone else self.batch_size.size
        some = requests[start : start + size]
        return [*takewhile(lambda request: are_alike(request, some[0]), some)]

    def _try(
        self,
        batch: Requests,
        options: DrawingOptions,
        ahead: Future[Conditions] | None,
        following: Requests,
    ) -> tuple[list[Painted], Future[Conditions] | None] | None:
        """Pictures of a batch, and the conditions of the next one to come; None if memory ran out."""
        try:
            conditions = ahead.result() if ahead else self._encode(batch, options)
            ahead = self._ahead.submit(self._encode, following, options) if following else None
            return self._draw(batch, conditions, options), ahead
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # What the thread has begun would be in the way of the next try.
            if ahead is not None:
                ahead.exception()
            return None

    def _shrink(self, tried: int, *, halves: bool) -> list[Painted]:
        """Make room: nothing is drawn, or one picture that does not even fit alone is given up."""
        free_memory()
        self.batch_size.halve(tried)
        if not halves:
            raise DeviceFullError(
                f"the device has no memory for {tried} pictures at a time: try again, or set model.offload, "
                "model.vae_tiling or model.quantization if that does not help"
            )
        return [_full()] if tried == 1 else []

    def _encode(self, requests: Requests, options: DrawingOptions) -> Conditions:
        with drawing_threads():
            return self._condition(self._filled(requests, options), options)

    def _draw(self, requests: Requests, conditions: Conditions, options: DrawingOptions) -> list[Painted]:
        filled = self._filled(requests, options)
        starts = [start for start in map(start_of, filled) if start is not None]
        seeds = [request.seed for request in filled]
        return self.draw(conditions, seeds, options, starts=starts)[: len(requests)]

    def draw(
        self,
        conditions: Conditions,
        seeds: Sequence[int],
        options: DrawingOptions,
        pipeline: DiffusionPipeline | None = None,
        starts: Sequence[StartPicture] = (),
    ) -> list[Painted]:
        """The picture of each condition, or what is wrong with it.

        Args:
            conditions: And negative conditions, by diffusers' names; as many as `multiple` says.
            seeds: One per condition.
            options: How to draw; what they say of references is not looked at.
            pipeline: One of the same components, changed; the renderer's own if not given.
            starts: One per condition, all of one strength, if pictures begin with others.

        Raises:
            torch.OutOfMemoryError: The device has no memory for so many.
        """
        side = self._conditioner.own_side
        sides = options.height or side, options.width or side
        arguments = self._conditioner.call_arguments(options.guidance, options.height, options.width)
        own = _with_own_scheduler(pipeline or self._pipeline)
        if starts:
            own = image_to_image(own)
            arguments = starting_arguments(own, arguments, starts, width=sides[1], height=sides[0])
        with self._turn(), drawing_threads(), time_steps_of(own), watched_decoding() as decoded:
            drawn = own(
                **conditions,
                num_inference_steps=options.steps,
                **arguments,
                output_type="np",
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            )
        flags = getattr(drawn, "nsfw_content_detected", None) or [False] * len(seeds)
        painted: list[Painted] = []
        for place, (pixels, flagged) in enumerate(zip(drawn.images, flags, strict=True)):
            finite = decoded[place] if place < len(decoded) else Finite()
            painted.append(None if flagged else develop(pixels, sides, self._number_types(), finite))
        return painted

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Draw at the same time as others; or else alone, and without a break in which they would wait."""
        if self._one_at_a_time is None:
            yield
            return
        with self._one_at_a_time, with_breaks(None):
            yield

    def _number_types(self) -> tuple[str, str]:
        """Of the image model and the autoencoder."""
        parts = image_model_of(self._pipeline), autoencoder_of(self._pipeline)
        image_model, autoencoder = (str(part.dtype).removeprefix("torch.") for part in parts)
        return image_model, autoencoder

    def _filled(self, requests: Requests, options: DrawingOptions) -> Requests:
        """The requests, with the last one repeated until their number is one that is drawn at a time."""
        if self._draws_alone:
            return requests
        filled = [*fill(requests, self.multiple(options))]
        if self._fixed_shapes:
            filled += [requests[-1]] * ((1 << (len(filled) - 1).bit_length()) - len(filled))
        return filled

    def multiple(self, options: DrawingOptions) -> int:
        """Pictures are drawn in multiples of this; a guided one takes two rows."""
        is_guided = self._conditioner.takes_negative_prompt and options.guidance > 1
        return ROWS_MULTIPLE // (2 if is_guided else 1)


def fill(wanted: Sequence[Wanted], multiple: int) -> Sequence[Wanted]:
    """Repeat the last of what is wanted until their number is a multiple."""
    return [*wanted, *[wanted[-1]] * (-len(wanted) % multiple)]


def sound(painted: Painted) -> Image.Image | None:
    """What is a picture, or was refused by the safety checker.

    Raises:
        SpoiltPictureError: It is neither.
        DeviceFullError: It did not fit into memory.
    """
    if isinstance(painted, RequestError):
        raise painted
    return painted


def free_memory() -> None:
    """Give back what the device's allocator keeps for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _full() -> DeviceFullError:
    return DeviceFullError(
        "one picture at a time does not fit into the device's memory: set model.offload, model.vae_tiling or "
        "model.quantization, or draw smaller ones"
    )


def _with_own_scheduler(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """The pipeline with a scheduler of its own, which counts steps: threads must not share the count."""
    own = copy.copy(pipeline)
    own.scheduler = type(own.scheduler).from_config(own.scheduler.config)
    break_between_steps(own.scheduler)
    return own
