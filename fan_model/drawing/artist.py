"""The artist: a text-to-image pipeline that draws each picture in somebody's taste."""

import copy
import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from fan_model.drawing.fingerprints import (
    Checksums,
    PipelineError,
    absent_components,
    artwork_digest,
    encoder_revision,
    file_checksums,
    pipeline_revision,
    verify_checksums,
)
from fan_model.drawing.images import MIME_TYPES, encode_image
from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, RequestError, canonical
from fan_model.drawing.text_filter import TextFilter, block_nothing
from fan_model.encoders.conditioning import Condition, build_conditioner
from fan_model.encoders.key_value_cache import ReferenceBank
from fan_model.encoders.text_encoders import Profile
from fan_model.method.profiling import ReferenceVectors
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste

__all__ = ["Artist", "Artwork", "ArtworkRequest", "DrawingOptions", "artwork_digest"]

GIBIBYTE = 2**30
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")

ROWS_MULTIPLE = 4
"""The image model is given a multiple of so many rows. A matrix product works row blocks of this size alike,
but the rows left over differently: not filled up, a picture would depend on its batch in its last bit."""
DRAWING_THREADS = 2
"""Threads that draw on a CPU, however many cores there are. How a convolution is split depends on it:
with one, three or eight threads a picture would depend on its batch, and each machine draw other bytes."""


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
        encoder_revision: str,
        pipeline_revision: str,
        bank_bytes: int = GIBIBYTE,
        batch_size: int = 16,
        limits: RequestLimits | None = None,
        text_filter: TextFilter = block_nothing,
    ) -> None:
        self.encoder_revision = encoder_revision
        """Checksum over text encoders and tokenizers: what makes stored vectors comparable."""
        self.pipeline_revision = pipeline_revision
        """Checksum over all the pipeline's files."""
        self.limits = limits or RequestLimits()
        """What requests may ask for."""
        self._pipeline = pipeline
        self.batch_size = batch_size
        """Pictures drawn at a time."""
        self._text_filter = text_filter
        self._conditioner = build_conditioner(pipeline, ReferenceBank(bank_bytes))

    @classmethod
    def load(
        cls,
        pipeline: str | Path,
        *,
        revision: str | None = None,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        bank_bytes: int = GIBIBYTE,
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
            dtype: Number type; float32 on the CPU, where halves are no faster, else float16.
            bank_bytes: Memory that recorded references may take.
            batch_size: Texts encoded or pictures drawn at a time.
            limits: What requests may ask for.
            text_filter: Whether a text is blocked.
            expected: Checksums that the pipeline's files must have; None for any.

        Raises:
            PipelineError: It is not there, its weights are pickled, or its files are not those expected.
            ValueError: The family is not supported.
        """
        folder = resolve_pipeline(pipeline, revision)
        checksums = file_checksums(folder)
        if expected is not None:
            verify_checksums(checksums, expected)
        loaded = DiffusionPipeline.from_pretrained(
            folder,
            dtype=dtype or (torch.float32 if device == "cpu" else torch.float16),
            use_safetensors=True,
            local_files_only=True,
            **dict.fromkeys(absent_components(folder)),
        ).to(device)
        loaded.set_progress_bar_config(disable=True)
        return cls(
            loaded,
            encoder_revision=encoder_revision(checksums),
            pipeline_revision=pipeline_revision(checksums),
            bank_bytes=bank_bytes,
            batch_size=batch_size,
            limits=limits,
            text_filter=text_filter,
        )

    @property
    def token_embeddings(self) -> tuple[torch.Tensor, ...]:
        """`[vocabulary, width]` of each text encoder: what tells it from another model's."""
        encoders = (getattr(self._pipeline, f"text_encoder{suffix}", None) for suffix in ("", "_2", "_3"))
        return tuple(one.get_input_embeddings().weight for one in encoders if one is not None)

    @cached_property
    def width(self) -> int:
        """Width of the reference vectors."""
        return self._conditioner.encode([""]).prompt_embeds.shape[-1]

    def encode_texts(self, texts: Sequence[str]) -> ReferenceVectors:
        """The two vectors of each text, from the very condition that the image model consumes."""
        batches = [self._encode_batch(batch) for batch in _batches(texts, self.batch_size)]
        batches = batches or [ReferenceVectors(*np.empty((2, 0, self.width), np.float32))]
        return ReferenceVectors(
            np.concatenate([batch.mean_unit_tokens for batch in batches]),
            np.concatenate([batch.unit_mean_tokens for batch in batches]),
        )

    def check(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> None:
        """Refuse what `draw` would refuse.

        Raises:
            RequestError: A request or an option is beyond the limits.
        """
        self.limits.check_options(options, self.sides)
        if options.negative_prompt and not self._conditioner.takes_negative_prompt:
            raise RequestError(
                "negative_prompt must be empty: this pipeline's guidance leads away from nothing"
            )
        for request in requests:
            self.limits.check_request(request)

    def draw(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> list[Artwork]:
        """Draw one picture per request, in order; a request with a blocked text is flagged and not drawn.

        Raises:
            RequestError: A request or an option is beyond the limits.
        """
        self.check(requests, options)
        with _threads(DRAWING_THREADS):
            return self._draw(requests, options)

    def _draw(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> list[Artwork]:
        profiled = [self._profile(request, options) for request in requests]
        blocked = [self.is_blocked(request) for request in profiled]
        allowed = [request for request, flagged in zip(profiled, blocked, strict=True) if not flagged]
        images = chain.from_iterable(
            self._draw_batch(batch, options) for batch in _batches(allowed, self.batch_size)
        )
        return [
            self._artwork(request, options, None if flagged else next(images))
            for request, flagged in zip(profiled, blocked, strict=True)
        ]

    def is_blocked(self, request: ArtworkRequest) -> bool:
        """Whether the text filter refuses the prompt or a reference."""
        return any(map(self._text_filter, (request.prompt, *request.references)))

    def condition(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> Condition:
        """The personalized condition of each request, whose references are all used."""
        profiles = [Profile(request.prompt, request.references, request.strengths) for request in requests]
        return self._conditioner.personalize(profiles, options)

    def _encode_batch(self, texts: Sequence[str]) -> ReferenceVectors:
        return ReferenceVectors.of_tokens(self._conditioner.encode(texts).prompt_embeds.float().cpu().numpy())

    def select(self, prompt: str, taste: Taste, policy: SelectionPolicy) -> dict[str, float]:
        """The references of a taste that are used for a prompt, with their weights (tailored profiling)."""
        if policy.num_references(len(taste)) == len(taste):
            return dict(taste)
        texts, weights = list(taste), list(taste.values())
        vectors = self.encode_texts([prompt, *texts])
        kept = policy.select(vectors[:1], vectors[1:], weights).indices
        return {texts[place]: weights[place] for place in kept}

    def _profile(self, request: ArtworkRequest, options: DrawingOptions) -> ArtworkRequest:
        """Keep the references that the options select; the spelling is canonical before and after."""
        whole = canonical(request)
        taste = dict(zip(whole.references, whole.strengths, strict=True))
        kept = self.select(whole.prompt, taste, options.selection)
        return canonical(replace(whole, references=tuple(kept), weights=tuple(kept.values())))

    def _draw_batch(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions
    ) -> Iterator[Image.Image | None]:
        """The picture of each request, None where the pipeline's safety checker refuses it."""
        filled = _fill(requests, ROWS_MULTIPLE // (2 if self._is_guided(options) else 1))
        drawn = self._own_pipeline()(
            **self._prompt_arguments(filled, options),
            num_inference_steps=options.num_inference_steps,
            guidance_scale=options.guidance_scale,
            height=options.height,
            width=options.width,
            generator=[torch.Generator("cpu").manual_seed(request.seed) for request in filled],
        )
        flags = getattr(drawn, "nsfw_content_detected", None) or [False] * len(filled)
        for _, image, flagged in zip(requests, drawn.images, flags, strict=False):
            yield None if flagged else image

    def _artwork(
        self, request: ArtworkRequest, options: DrawingOptions, image: Image.Image | None
    ) -> Artwork:
        """The file of a picture with what it was made of; None for a picture that was flagged."""
        digest = artwork_digest(request, options, self.pipeline_revision)
        provenance = {
            "Software": f"fan-artwork {importlib.metadata.version('fan-artwork')}",
            "Generated": "by a text-to-image model",
            "Model": self.pipeline_revision,
            "Artwork": digest,
        }
        return Artwork(
            image=b"" if image is None else encode_image(image, options.image_format, provenance),
            mime_type=MIME_TYPES[options.image_format],
            references_used=request.references,
            weights_used=request.strengths,
            artwork_digest=digest,
            seed=request.seed,
            flagged=image is None,
        )

    def _prompt_arguments(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions
    ) -> dict[str, Any]:
        """Condition and negative condition, by diffusers' names."""
        conditions = {"": self.condition(requests, options)}
        if self._conditioner.takes_negative_prompt:
            conditions["negative_"] = self._conditioner.encode_negative(options.negative_prompt).repeat(
                len(requests)
            )
        arguments: dict[str, Any] = {}
        for prefix, condition in conditions.items():
            arguments[f"{prefix}prompt_embeds"] = condition.prompt_embeds
            if condition.pooled_prompt_embeds is not None:
                arguments[f"{prefix}pooled_prompt_embeds"] = condition.pooled_prompt_embeds
        return arguments

    def _own_pipeline(self) -> DiffusionPipeline:
        """The pipeline with its own scheduler, which counts steps: threads must not share the count."""
        pipeline = copy.copy(self._pipeline)
        pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
        return pipeline

    def _is_guided(self, options: DrawingOptions) -> bool:
        """Whether the image model sees each picture twice, with its condition and with the negative one."""
        return self._conditioner.takes_negative_prompt and options.guidance_scale > 1

    @property
    def sides(self) -> Sides:
        """Sides of pictures: multiples of the autoencoder's scale, times a transformer's patches."""
        pipeline, scale = self._pipeline, self._pipeline.vae_scale_factor
        latents = getattr(pipeline, "default_sample_size", None) or pipeline.unet.config.sample_size
        is_transformer = getattr(pipeline, "transformer", None) is not None
        return Sides(own=latents * scale, multiple=scale * (2 if is_transformer else 1))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch compute with so many threads, in the thread that calls."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def _fill(requests: Sequence[ArtworkRequest], multiple: int) -> Sequence[ArtworkRequest]:
    """Repeat the last request until their number is a multiple."""
    return [*requests, *[requests[-1]] * (-len(requests) % multiple)]


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
