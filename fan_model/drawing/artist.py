"""The artist: a text-to-image pipeline that draws each picture in somebody's taste."""

import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from fan_model.drawing.fingerprints import (
    Checksums,
    PipelineError,
    absent_components,
    artwork_digest,
    encoder_fingerprint,
    file_checksums,
    pipeline_fingerprint,
    read_index,
    verify_checksums,
)
from fan_model.drawing.images import MIME_TYPES, SpoiltPictureError, encode_image
from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.personalizer import GIBIBYTE, Painted, Personalizer
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.text_filter import TextFilter, block_nothing
from fan_model.drawing.threads import drawing_threads
from fan_model.encoders.conditions import Condition
from fan_model.encoders.devices import check_device
from fan_model.encoders.families import accept_index
from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.method.profiling import ReferenceVectors
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste

__all__ = ["Artist", "Artwork", "ArtworkRequest", "DrawingOptions", "artwork_digest"]

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


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

    Make one with `load`.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        *,
        encoder_fingerprint: str,
        pipeline_fingerprint: str,
        cache_bytes: int = GIBIBYTE,
        batch_size: int = 16,
        limits: RequestLimits | None = None,
        text_filter: TextFilter = block_nothing,
    ) -> None:
        self.encoder_fingerprint = encoder_fingerprint
        """Checksum over text encoders and tokenizers: what makes stored vectors comparable."""
        self.pipeline_fingerprint = pipeline_fingerprint
        """Checksum over all the pipeline's files."""
        self.personalizer = Personalizer(
            pipeline, cache_bytes=cache_bytes, batch_size=batch_size, limits=limits
        )
        """The library's door to the same pipeline."""
        self.limits = self.personalizer.limits
        """What requests may ask for."""
        self.batch_size = batch_size
        """Pictures drawn at a time."""
        self._text_filter = text_filter

    @classmethod
    def load(
        cls,
        pipeline: str | Path,
        *,
        revision: str | None = None,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        cache_bytes: int = GIBIBYTE,
        batch_size: int = 16,
        limits: RequestLimits | None = None,
        text_filter: TextFilter = block_nothing,
        expected: Checksums | None = None,
    ) -> "Artist":
        """Load a diffusers pipeline.

        Args:
            pipeline: A local folder, or an id on the Hugging Face hub.
            revision: Branch, tag or commit on the hub.
            device: Where it runs, as torch spells it.
            dtype: Number type; float32 on the CPU, where halves are no faster, else the family's.
            cache_bytes: Memory that recorded references may take.
            batch_size: Texts encoded or pictures drawn at a time.
            limits: What requests may ask for.
            text_filter: Whether a text is blocked.
            expected: Checksums that the pipeline's files must have; None for any.

        Raises:
            PipelineError: It is not there, its weights are pickled, or its files are not those expected.
            UnsupportedPipelineError: It cannot be drawn with.
            DeviceError: The device is not there.
        """
        check_device(device)
        folder = resolve_pipeline(pipeline, revision)
        family = accept_index(read_index(folder))
        checksums = file_checksums(folder)
        if expected is not None:
            verify_checksums(checksums, expected)
        loaded = DiffusionPipeline.from_pretrained(
            folder,
            dtype=dtype or (torch.float32 if device == "cpu" else getattr(torch, family.half)),
            use_safetensors=True,
            local_files_only=True,
            **dict.fromkeys(absent_components(folder)),
        ).to(device)
        loaded.set_progress_bar_config(disable=True)
        return cls(
            loaded,
            encoder_fingerprint=encoder_fingerprint(checksums),
            pipeline_fingerprint=pipeline_fingerprint(checksums),
            cache_bytes=cache_bytes,
            batch_size=batch_size,
            limits=limits,
            text_filter=text_filter,
        )

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

    def count_unread(self, texts: Sequence[str]) -> list[int]:
        """How many tokens of each text are beyond what the text encoder reads, and play no part."""
        return self.personalizer.count_unread(texts)

    def select(
        self, prompt: str, taste: Taste, policy: SelectionPolicy, crowd: Crowd = NOBODY
    ) -> dict[str, float]:
        """The references of a taste that are used for a prompt, with their weights (tailored profiling)."""
        return self.personalizer.select_by_policy(prompt, taste, policy, crowd)

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
        """
        return [_sound(drawn) for drawn in self.draw_each(requests, options)]

    def draw_each(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions
    ) -> list[Artwork | SpoiltPictureError]:
        """Draw as `draw` does; in the place of what is no picture stands the error that says why.

        Raises:
            RequestError: A request or an option is beyond the limits.
        """
        self.check(requests, options)
        with drawing_threads():
            profiled = [self.personalizer.profile(request, options) for request in requests]
            blocked = [self.is_blocked(request) for request in profiled]
            allowed = [request for request, flagged in zip(profiled, blocked, strict=True) if not flagged]
            images = iter(self.personalizer.paint(allowed, options))
        return [
            self._artwork(request, options, None if flagged else next(images))
            for request, flagged in zip(profiled, blocked, strict=True)
        ]

    def is_blocked(self, request: ArtworkRequest) -> bool:
        """Whether the text filter refuses the prompt or a reference."""
        return any(map(self._text_filter, (request.prompt, *request.references)))

    def condition(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> Condition:
        """The personalized condition of each request, whose references are all used."""
        return self.personalizer.personalize(requests, options)

    def _artwork(
        self, request: ArtworkRequest, options: DrawingOptions, image: Painted
    ) -> Artwork | SpoiltPictureError:
        """The file of a picture with what it was made of; None for a picture that was flagged."""
        if isinstance(image, SpoiltPictureError):
            return image
        digest = artwork_digest(request, options, self.pipeline_fingerprint)
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
            "Software": f"fan-artwork {importlib.metadata.version('fan-artwork')}",
            "Generated": "by a text-to-image model",
            "Model": self.pipeline_fingerprint,
            "Artwork": digest,
        }
        return encode_image(image, options.image_format, provenance)


def _sound(drawn: Artwork | SpoiltPictureError) -> Artwork:
    if isinstance(drawn, SpoiltPictureError):
        raise drawn
    return drawn


def resolve_pipeline(pipeline: str | Path, revision: str | None = None) -> Path:
    """The local folder of a pipeline, fetched from the hub if it is not a folder already.

    Raises:
        PipelineError: It is neither a folder nor to be had from the hub.
    """
    if Path(pipeline).is_dir():
        return Path(pipeline)
    if not HUB_ID.fullmatch(str(pipeline)):
        raise PipelineError(f"there is no pipeline in {pipeline}: restore the folder, or name another")
    try:
        return Path(DiffusionPipeline.download(str(pipeline), revision=revision, use_safetensors=True))
    except OSError as error:
        raise PipelineError(
            f"{pipeline} is no folder, and cannot be had from the hub: check its name and the connection"
        ) from error
