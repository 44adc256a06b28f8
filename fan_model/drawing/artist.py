"""The artist: a text-to-image pipeline that draws each picture in somebody's taste."""

import importlib.metadata
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from PIL import Image

from fan_model.drawing.batch_sizes import BatchSize
from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.images import MIME_TYPES, SpoiltPictureError, encode_image
from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.personalizer import GIBIBYTE, Personalizer
from fan_model.drawing.pictured_requests import with_images
from fan_model.drawing.renderer import DeviceFullError, Painted
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.text_filter import TextFilter, block_nothing
from fan_model.drawing.threads import drawing_threads
from fan_model.encoders.conditions import Condition
from fan_model.image_references.image_inputs import ImageInput
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.loading.execution import Execution
from fan_model.loading.image_encoders import find_images
from fan_model.loading.picture_input import PictureInput
from fan_model.loading.pipeline_files import Checksums, verify_checksums
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from fan_model.loading.placement import Placement
from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.method.profiling import FloatArray, ReferenceVectors
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste
from fan_model.request_errors import RequestError

__all__ = ["Artist", "Artwork", "ArtworkRequest", "DrawingOptions", "artwork_digest"]

AS_BY_DEFAULT = Execution()
WARM_UP_STEPS = 2
"""The fewest that every family draws in."""
ENCODING_THREADS = 2
"""Threads that make files of pictures; one makes about fifty a second of 512 x 512 pixels."""
Undrawn = SpoiltPictureError | DeviceFullError
"""Why there is no picture, in the place of one."""


@dataclass(frozen=True)
class Artwork:
    """One picture, and what it was made of."""

    image: bytes
    """The file; empty if the picture was flagged."""
    mime_type: str
    references_used: tuple[str, ...]
    weights_used: tuple[float, ...]
    """One per reference used, summing to 1."""
    artwork_digest: str
    seed: int
    flagged: bool
    """Whether the text filter refused a text, or the pipeline's safety checker the picture."""


class Artist:
    """Draws pictures and reduces texts to reference vectors; may be shared between threads.

    Make one with `load`. Of several replicas of a model, one on each device, the first reads the texts.
    """

    def __init__(
        self,
        painters: Sequence[Personalizer],
        *,
        encoder_fingerprint: str,
        pipeline_fingerprint: str,
        image_fingerprint: str = "",
        text_filter: TextFilter = block_nothing,
    ) -> None:
        self.encoder_fingerprint = encoder_fingerprint
        """Checksum over text encoders and tokenizers: what makes stored vectors comparable."""
        self.pipeline_fingerprint = pipeline_fingerprint
        """Checksum over all the pipeline's files, and over how it is run."""
        self.image_fingerprint = image_fingerprint
        """Checksum over the image encoder: what makes stored embeddings of pictures comparable."""
        self._painters = painters
        self.personalizer = painters[0]
        """The library's door to the same pipeline."""
        self.limits = self.personalizer.limits
        """What requests may ask for."""
        self._text_filter = text_filter

    @classmethod
    def load(
        cls,
        pipeline: str | Path,
        *,
        revision: str | None = None,
        execution: Execution = AS_BY_DEFAULT,
        images: PictureInput | None = None,
        cache_bytes: int = GIBIBYTE,
        limits: RequestLimits | None = None,
        text_filter: TextFilter = block_nothing,
        expected: Checksums | None = None,
        memory: Path | None = None,
    ) -> "Artist":
        """Load a diffusers pipeline.

        Args:
            pipeline: A local folder, a single `.safetensors` file, or an id on the Hugging Face hub.
            revision: Branch, tag or commit on the hub.
            execution: How it is run: devices, number types, kernels.
            images: What lets it look at pictures, where it cannot by itself.
            cache_bytes: Memory that recorded references may take, on each device.
            limits: What requests may ask for.
            text_filter: Whether a text is blocked.
            expected: Checksums that the pipeline's files must have; None for any.
            memory: JSON file that remembers how many pictures fit into which device; None: nothing does.

        Raises:
            PipelineError: It is not there, its weights are pickled, or its files are not those expected.
            UnsupportedPipelineError: It cannot be drawn with.
            ExecutionError: It cannot be run so.
            DeviceError: The device is not there.
        """
        files = find_pipeline(pipeline, revision, execution.configs)
        loader = PipelineLoader(files, execution, find_images(images))
        checksums = loader.files.checksums()
        if expected is not None:
            verify_checksums(checksums, expected)
        fingerprint = loader.pipeline_fingerprint(checksums)

        def prepare(device: str) -> Personalizer:
            batch_size = _batch_size(execution, memory, f"{fingerprint} {device_name(device)}")
            return _prepare(loader, device, batch_size, cache_bytes=cache_bytes, limits=limits)

        artist = cls(
            [prepare(device) for device in execution.all_devices],
            encoder_fingerprint=loader.encoder_fingerprint(checksums),
            pipeline_fingerprint=fingerprint,
            image_fingerprint=loader.image_fingerprint(checksums),
            text_filter=text_filter,
        )
        if execution.compile:
            artist.warm_up()
        return artist

    @property
    def batch_size(self) -> int:
        """Pictures drawn at a time, on all devices together."""
        return sum(painter.batch_size for painter in self._painters)

    @property
    def token_embeddings(self) -> tuple[torch.Tensor, ...]:
        """`[vocabulary, width]` of each text encoder: what tells it from another model's."""
        return self.personalizer.token_embeddings

    @property
    def num_layers(self) -> int:
        """Layers of the deepest text encoder."""
        return self.personalizer.num_layers

    @property
    def width(self) -> int:
        """Width of the reference vectors."""
        return self.personalizer.width

    @property
    def sides(self) -> Sides:
        """Sides of pictures."""
        return self.personalizer.sides

    def encode_texts(self, texts: Sequence[str]) -> ReferenceVectors:
        """The two vectors of each text, from the very condition that the image model consumes."""
        return self.personalizer.encode_texts(texts)

    @property
    def image_input(self) -> ImageInput | None:
        """How pictures are taken; None where they are not."""
        return self.personalizer.image_input

    @property
    def embedding_width(self) -> int | None:
        """Length of the embedding that the image model takes of a picture; None if it takes none of one."""
        return None if self.image_input is None else self.image_input.tower.embedding_width

    def embed_pictures(self, pictures: Sequence[Picture]) -> FloatArray:
        """[N, p] float32: what the image encoder sees of each picture, as the image model takes it.

        Raises:
            RequestError: The pipeline takes no pictures, or the states of all patches, which nobody keeps.
        """
        if self.image_input is None or self.embedding_width is None:
            raise RequestError("images must be none: this pipeline takes no embedding of a picture")
        with drawing_threads():
            return self.image_input.tower.embed(pictures).float().cpu().numpy()

    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text are beyond what the text encoder reads, and play no part."""
        return self.personalizer.count_unread(texts)

    def select(
        self, prompt: str, taste: Taste, policy: SelectionPolicy, crowd: Crowd = NOBODY
    ) -> dict[str, float]:
        """The references of a taste that are used for a prompt, with their weights (tailored profiling)."""
        return self.personalizer.select_by_policy(prompt, taste, policy, crowd)

    def warm_up(self) -> None:
        """Draw a batch that nobody keeps, of the pipeline's own size: code is compiled at its first call."""
        wanted = [ArtworkRequest(prompt="a film poster", seed=seed) for seed in range(self.batch_size)]
        grey = ImageProfile.of(Image.new("RGB", (64, 64), "grey"))
        requests = [with_images(one, grey if self.image_input else None) for one in wanted]
        for painter in self._painters:
            for _ in painter.paint(
                requests, self.complete(DrawingOptions(num_inference_steps=WARM_UP_STEPS))
            ):
                pass

    def complete(self, options: DrawingOptions) -> DrawingOptions:
        """Options with the checkpoint's own steps, guidance and sides, where they do not say otherwise."""
        return self.personalizer.complete(options)

    def digest(self, request: ArtworkRequest, options: DrawingOptions) -> str:
        """Digest of the picture that `draw` makes of a request whose references are all used."""
        return artwork_digest(request, self.complete(options), self.pipeline_fingerprint)

    def check(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> None:
        """Refuse what `draw` would refuse.

        Raises:
            RequestError: A request or an option is beyond the limits.
        """
        self.personalizer.check(requests, options)

    def draw(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> list[Artwork]:
        """Draw one picture per request, in order; a request with a blocked text is flagged and not drawn.

        Raises:
            RequestError: A request or an option is beyond the limits.
            SpoiltPictureError: The image model gave what is no picture, for any of them.
            DeviceFullError: One of them does not fit into the device's memory even alone.
        """
        return [_sound(drawn) for drawn in self.draw_each(requests, options)]

    def draw_each(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions, *, halves: bool = True
    ) -> list[Artwork | Undrawn]:
        """Draw as `draw` does; in the place of what is no picture stands the error that says why.

        Args:
            requests: What is wanted.
            options: Hold for all of them.
            halves: Whether fewer at a time are tried where memory runs out.

        Raises:
            RequestError: A request or an option is beyond the limits.
            DeviceFullError: Memory ran out, and nothing else is to be tried.
        """
        drawn = dict(self.draw_as_done(requests, options, halves=halves))
        return [drawn[place] for place in range(len(requests))]

    def draw_as_done(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions, *, halves: bool = True
    ) -> Iterator[tuple[int, Artwork | Undrawn]]:
        """Draw as `draw_each` does; each picture comes with its place as soon as its file is encoded.

        Files are encoded by threads while the devices draw what follows.
        """
        options = self.complete(options)
        self.check(requests, options)
        with drawing_threads():
            profiled = [self.personalizer.profile(request, options) for request in requests]
        blocked = [self.is_blocked(request) for request in profiled]
        allowed = [place for place, flagged in enumerate(blocked) if not flagged]
        for place, flagged in enumerate(blocked):
            if flagged:
                yield place, self._artwork(profiled[place], options, None)
        with ThreadPoolExecutor(ENCODING_THREADS, thread_name_prefix="encode-image") as encoders:
            waiting: deque[tuple[int, Future[Artwork | Undrawn]]] = deque()
            painted = self._paint([profiled[place] for place in allowed], options, halves=halves)
            for place, image in painted:
                at = allowed[place]
                waiting.append((at, encoders.submit(self._artwork, profiled[at], options, image)))
                while waiting and waiting[0][1].done():
                    yield waiting[0][0], waiting.popleft()[1].result()
            for at, encoded in waiting:
                yield at, encoded.result()

    def _paint(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions, *, halves: bool
    ) -> Iterator[tuple[int, Painted]]:
        """Each request's place with its picture, dealt out to the replicas in turn."""
        num = len(self._painters)
        if num == 1:
            yield from enumerate(self.personalizer.paint(requests, options, halves=halves))
            return

        def paint(number: int) -> list[tuple[int, Painted]]:
            own = self._painters[number].paint(requests[number::num], options, halves=halves)
            return list(zip(range(number, len(requests), num), own, strict=True))

        with ThreadPoolExecutor(num, thread_name_prefix="replica") as pool:
            for share in pool.map(paint, range(num)):
                yield from share

    def is_blocked(self, request: ArtworkRequest) -> bool:
        """Whether the text filter refuses the prompt or a reference."""
        return any(map(self._text_filter, (request.prompt, *request.references)))

    def condition(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> Condition:
        """The personalized condition of each request, whose references are all used."""
        return self.personalizer.personalize(requests, options)

    def _artwork(self, request: ArtworkRequest, options: DrawingOptions, image: Painted) -> Artwork | Undrawn:
        """The file of a picture with what it was made of; None for a picture that was flagged."""
        if isinstance(image, Undrawn):
            return image
        digest = self.digest(request, options)
        return Artwork(
            image=b"" if image is None else self.write_file(image, digest, options),
            mime_type=MIME_TYPES[options.image_format],
            references_used=request.references,
            weights_used=request.strengths,
            artwork_digest=digest,
            seed=request.seed,
            flagged=image is None,
        )

    def write_file(self, image: Image.Image, digest: str, options: DrawingOptions) -> bytes:
        """The file of a picture that this model drew, with where it comes from written into it."""
        provenance = {
            "Software": f"fan-artwork {_own_version()}",
            "Generated": "by a text-to-image model",
            "Model": self.pipeline_fingerprint,
            "Artwork": digest,
        }
        return encode_image(image, options.image_format, provenance)


@cache
def _own_version() -> str:
    """Looked up once: it reads files."""
    return importlib.metadata.version("fan-artwork")


def _sound(drawn: Artwork | Undrawn) -> Artwork:
    if isinstance(drawn, Undrawn):
        raise drawn
    return drawn


def _prepare(
    loader: PipelineLoader,
    device: str,
    batch_size: BatchSize,
    *,
    cache_bytes: int,
    limits: RequestLimits | None,
) -> Personalizer:
    """A replica of the pipeline on a device."""
    execution = loader.execution
    placement = Placement(device, execution.offload)
    loaded = loader.load(device)
    placement.bring(loaded)
    return Personalizer(
        loaded,
        image_parts=loader.load_image_parts(device),
        cache_bytes=cache_bytes,
        batch_size=batch_size,
        limits=limits,
        placement=placement,
        fixed_shapes=execution.compile,
        keeps_state=execution.step_cache != "none",
    )


def _batch_size(execution: Execution, memory: Path | None, key: str) -> BatchSize:
    """How many pictures to draw at a time; what is given as a number is not remembered otherwise."""
    is_found_out = execution.batch_size == "auto"
    return BatchSize(execution.first_batch_size, memory if is_found_out else None, key)


def device_name(device: str) -> str:
    """What kind of device it is: those of one kind have the same memory."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
