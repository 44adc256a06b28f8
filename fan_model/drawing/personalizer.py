"""The library's door: a diffusers pipeline in memory whose prompts take on references.

    personalizer = Personalizer(pipeline)
    pipeline(**personalizer.condition("western film poster", references=["pastel, watercolor"]))

Legend: b prompts, N texts, d width.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any, overload

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from fan_model.drawing.batch_sizes import BatchSize
from fan_model.drawing.limits import RequestLimits, Sides, check_num_prompts, check_reading, check_strengths
from fan_model.drawing.pictured_requests import check_images, images_of
from fan_model.drawing.prompt_columns import Images, Texts, Weights, read_history, read_requests
from fan_model.drawing.renderer import DeviceFullError, Painted, Renderer, free_memory, sound
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, canonical
from fan_model.drawing.starting import USUAL_STRENGTH, Starts, check_starts, with_starts
from fan_model.drawing.threads import drawing_threads
from fan_model.encoders.breaks import take_break
from fan_model.encoders.conditioners import build_conditioner
from fan_model.encoders.conditions import Condition, in_type
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import Profile
from fan_model.image_references.image_inputs import build_image_input, build_text_reader
from fan_model.image_references.image_parts import ImageParts
from fan_model.image_references.image_profile import ImageProfile
from fan_model.loading.devices import is_out_of_memory
from fan_model.loading.execution import LARGEST_BATCH
from fan_model.loading.kernels import image_model_of
from fan_model.loading.own_sampling import own_sampling
from fan_model.loading.placement import Placement, without_encoders
from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.method.personalization import Personalization
from fan_model.method.profiling import ReferenceVectors
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste
from fan_model.request_errors import RequestError

GIBIBYTE = 2**30
EVERY_REFERENCE = DrawingOptions(num_references=None)


class Personalizer:
    """Personalizes the prompts of a pipeline, whose family must be one of those in `families`.

    The pipeline stays as it is, to be called with or without what this gives. Threads may share it.

    Args:
        pipeline: A text-to-image pipeline of diffusers, where its weights are.
        image_parts: What looks at pictures, of families that have it from another pipeline.
        cache_bytes: Memory that recorded references may take.
        batch_size: Pictures drawn at a time, or how many were found to fit.
        limits: What may be asked for; whatever the fields of requests and options allow, if not given.
        placement: What of the pipeline is kept off the device; nothing, if not given.
        fixed_shapes: Whether batches are filled up for compiled code.
        keeps_state: Whether the pipeline remembers what it computed, so that threads must take turns.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
        RequestError: No such number of pictures can be drawn at a time.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        *,
        image_parts: ImageParts | None = None,
        cache_bytes: int = GIBIBYTE,
        batch_size: int | BatchSize = LARGEST_BATCH,
        limits: RequestLimits | None = None,
        placement: Placement | None = None,
        fixed_shapes: bool = False,
        keeps_state: bool = False,
    ) -> None:
        self.limits = limits or RequestLimits()
        """What may be asked for."""
        self.pipeline, self._placement = pipeline, placement
        """Changed by nobody: whoever draws in other ways with it, or its conditioner, changes a copy."""
        cache = KeyValueCache(cache_bytes)
        self.conditioner = build_conditioner(pipeline, cache, build_text_reader(image_parts, cache))
        self.image_input = build_image_input(pipeline, image_parts, cache)
        """How pictures are taken; None where they are not."""
        self._own = own_sampling(pipeline)
        self.renderer = Renderer(
            placement.offload(pipeline) if placement else without_encoders(pipeline),
            self.conditioner,
            self.prompt_arguments,
            batch_size if isinstance(batch_size, BatchSize) else BatchSize(batch_size),
            fixed_shapes=fixed_shapes,
            one_at_a_time=keeps_state or (placement is not None and placement.offloads),
            draws_alone=self.image_input is not None and self.image_input.draws_alone,
        )
        """From conditions to pictures."""

    def condition(
        self,
        prompt: str | Texts,
        references: Texts | Sequence[Texts] = (),
        weights: Weights | Sequence[Weights] = None,
        *,
        images: Images = None,
        alpha: float = Personalization.alpha,
        contrast: float = Personalization.contrast,
        crowd: Texts = (),
        crowd_weights: Sequence[float] = (),
        skip_layers: Sequence[int] = Personalization.skip_layers,
        keep_words: bool = Personalization.keep_words,
        target_query: bool = Personalization.target_query,
        negative_prompt: str = "",
    ) -> dict[str, Any]:
        """What the pipeline takes in place of `prompt` and `negative_prompt`, by diffusers' names.

        Args:
            prompt: One prompt, or b of them.
            references: Texts that speak for the user; for several prompts, one list per prompt.
            weights: Preference strength of each reference, above 0; for several prompts, one list (or None)
                per prompt. All equal if not given; only proportions matter.
            images: Pictures that speak beside texts, or in their place; for several prompts, one profile (or
                None) per prompt. Only for pipelines that take pictures.
            alpha: Degree of personalization, 0 (the prompt only) to 1 (the references only).
            contrast: How far to go along what sets the references apart from `crowd`, if there is one; then
                alpha plays no part. 0 is the paper's method.
            crowd: Texts that stand for what everybody likes.
            crowd_weights: One per text of the crowd; all equal if not given.
            skip_layers: Layers of the text encoder without personalized attention.
            keep_words: Whether only what is read after the prompt's own words takes on the taste.
            target_query: Whether the personalized query starts as the prompt; if not, as the empty text.
            negative_prompt: What guidance leads away from, for families that take one.

        Returns:
            `prompt_embeds` [b, n, d] and, as the family takes them, `pooled_prompt_embeds`, masks, and the
            negatives of all of them. Z-Image takes a list of b times [n, d].

        Raises:
            RequestError: There is nothing to read in a text, or a value is out of its range.
        """
        how = {"skip_layers": skip_layers, "keep_words": keep_words, "target_query": target_query}
        contrasted = {"contrast": contrast, "crowd": crowd, "crowd_weights": crowd_weights}
        options = self._options({"alpha": alpha, **how, **contrasted, "negative_prompt": negative_prompt})
        requests = read_requests(self.limits, prompt, references, weights, 0, images)
        return self.prompt_arguments(requests, options)

    @overload
    def draw(  # type: ignore[overload-overlap] # a text is a sequence of texts as well
        self,
        prompt: str,
        references: Texts = (),
        weights: Weights = None,
        *,
        images: ImageProfile | None = None,
        seed: int = 0,
        start: Image.Image | None = None,
        strength: float = USUAL_STRENGTH,
        **options: object,
    ) -> Image.Image | None: ...

    @overload
    def draw(
        self,
        prompt: Texts,
        references: Sequence[Texts] = (),
        weights: Sequence[Weights] | None = None,
        *,
        images: Sequence[ImageProfile | None] | None = None,
        seed: int | Sequence[int] = 0,
        start: Starts = None,
        strength: float = USUAL_STRENGTH,
        **options: object,
    ) -> list[Image.Image | None]: ...

    def draw(
        self,
        prompt: str | Texts,
        references: Texts | Sequence[Texts] = (),
        weights: Weights | Sequence[Weights] = None,
        *,
        images: Images = None,
        seed: int | Sequence[int] = 0,
        start: Starts = None,
        strength: float = USUAL_STRENGTH,
        **options: object,
    ) -> Image.Image | list[Image.Image | None] | None:
        """The picture of one prompt, or a list of pictures; None where the safety checker refused it.

        A picture's pixels do not depend on what it is drawn together with.

        Args:
            prompt: As for `condition`, and so are `references`, `weights` and `images`.
            references: See there.
            weights: See there.
            images: See there.
            seed: Of each picture's noise; one for all prompts, or one each.
            start: A picture that each begins as, in place of noise alone: one for all prompts, or one (or
                None) each. Stable Diffusion 1, 2 and XL, and FLUX.
            strength: How much of it is drawn over, above 0 and at most 1.
            **options: Fields of `DrawingOptions`. With `num_references`, so many are selected of those given.

        Raises:
            RequestError: A text or an option is not what may be asked for.
            SpoiltPictureError: The image model gave what is no picture.
        """
        drawing = self._options(options)
        requests = read_requests(self.limits, prompt, references, weights, seed, images)
        requests = with_starts(requests, start, strength)
        self.check(requests, drawing)
        with drawing_threads():
            drawn = list(self.paint([self.profile(request, drawing) for request in requests], drawing))
        pictures = [sound(image) for image in drawn]
        return pictures[0] if isinstance(prompt, str) else pictures

    def select(
        self, history: Texts | Taste, num_references: int, *, prompt: str | None = None
    ) -> dict[str, float]:
        """The references of a history that speak best for a user, in one prompt or at all, and their weights.

        Tailored profiling (the paper's section 3.3): relevant to the prompt, unlike one another.

        Args:
            history: Texts, or texts with weights above 0.
            num_references: How many to keep, at least 1.
            prompt: What will be drawn; none: they are near to all of the history.

        Raises:
            RequestError: The history is no such texts, there is nothing to read in one or in the prompt, a
                weight is not above 0, or so many cannot be kept.
        """
        return self.select_by_policy(prompt, *read_history(self.limits, history, num_references, prompt))

    def select_by_policy(
        self, prompt: str | None, taste: Taste, policy: SelectionPolicy, crowd: Crowd = NOBODY
    ) -> dict[str, float]:
        """The references of a taste that a policy keeps for a prompt, or for the whole, and their weights.

        Raises:
            RequestError: A weight is not a finite number above 0.
        """
        check_strengths(taste.values())
        if policy.num_references(len(taste)) == len(taste):
            return dict(taste)
        texts, weights = list(taste), list(taste.values())
        vectors = self.encode_texts(texts)
        target = vectors.mean(weights) if prompt is None else self.encode_texts([prompt])
        is_apart = bool(crowd) and policy.distinctive
        mean = self.encode_texts(crowd.texts).mean(crowd.weights).unit_mean_tokens[0] if is_apart else None
        kept = policy.select(target, vectors, weights, crowd=mean).indices
        return {texts[place]: weights[place] for place in kept}

    def profile(self, request: ArtworkRequest, options: DrawingOptions) -> ArtworkRequest:
        """Keep the references that the options select; the spelling is canonical."""
        whole = canonical(request)
        taste = dict(zip(whole.references, whole.strengths, strict=True))
        kept = self.select_by_policy(whole.prompt, taste, options.selection)
        return canonical(replace(whole, references=tuple(kept), weights=tuple(kept.values())))

    def encode_texts(self, texts: Texts) -> ReferenceVectors:
        """The two vectors of each text, from the very condition that the image model consumes."""
        with self._encoders_at_work():
            starts = range(0, len(texts), LARGEST_BATCH)
            encoded = [one for start in starts for one in self._encode(texts[start : start + LARGEST_BATCH])]
        encoded = encoded or [ReferenceVectors(*np.empty((2, 0, self.width), np.float32))]
        return ReferenceVectors.join(encoded)

    def count_unread(self, texts: Texts) -> list[int]:
        """How many tokens of each text are beyond what the text encoder reads, and play no part."""
        return self.conditioner.count_unread(texts) if texts else []

    def _encode(self, texts: Texts) -> list[ReferenceVectors]:
        """Vectors of a batch of texts; of halves of it where memory runs out.

        Raises:
            DeviceFullError: There is not even room for one text.
        """
        take_break()
        try:
            return [self.conditioner.encode(texts).vectors()]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(texts) == 1:
                raise DeviceFullError(
                    "one text at a time does not fit into the device's memory: set model.offload or "
                    "model.quantization"
                ) from None
        free_memory()
        half = len(texts) // 2
        return [*self._encode(texts[:half]), *self._encode(texts[half:])]

    @property
    def num_layers(self) -> int:
        """Layers of the deepest text encoder."""
        return self.conditioner.num_layers

    @cached_property
    def width(self) -> int:
        """Width of the reference vectors."""
        return self.encode_texts([""]).mean_unit_tokens.shape[-1]

    def check(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> None:
        """Refuse what is beyond the limits, or what the pipeline cannot do.

        Raises:
            RequestError: It is.
        """
        options, least = self.complete(options), self.conditioner.least_steps
        self.limits.check_options(options, self.sides)
        self._check_reading(options)
        check_images(requests, self.image_input, reads_texts=self.conditioner.reads_texts)
        if options.steps < least:
            raise RequestError(f"num_inference_steps must be at least {least}: this pipeline cannot do fewer")
        check_starts(
            requests, options, self.pipeline, offloads=bool(self._placement and self._placement.offloads)
        )
        for request in requests:
            self.limits.check_request(request)

    def personalize(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> Condition:
        """The personalized condition of each request, whose references are all used."""
        crowd = options.contrasted_crowd
        profiles = [Profile(one.prompt, one.references, one.strengths, crowd) for one in requests]
        with self._encoders_at_work():
            return self.conditioner.personalize(profiles, options)

    def prompt_arguments(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> dict[str, Any]:
        """Condition and negative condition, by diffusers' names.

        Raises:
            RequestError: There is no prompt, or the pipeline takes one at a time or cannot do as options say.
        """
        takes_one = self.image_input is not None and self.image_input.takes_one_picture
        check_num_prompts(len(requests), takes_one=takes_one or self.conditioner.takes_one_prompt)
        self._check_reading(options)
        check_images(requests, self.image_input, reads_texts=self.conditioner.reads_texts)
        arguments = self._text_arguments(requests, options)
        if self.image_input is not None:
            images = [images_of(request) for request in requests]
            arguments = self.image_input.join(arguments, images, is_guided=options.guidance > 1)
        dtype = image_model_of(self.pipeline).dtype
        return {name: in_type(value, dtype) for name, value in arguments.items()}

    def _text_arguments(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> dict[str, Any]:
        conditions = {"": self.personalize(requests, options)}
        if self.conditioner.takes_negative_prompt:
            with self._encoders_at_work():
                negative = self.conditioner.encode_negative(options.negative_prompt)
            conditions["negative_"] = negative.repeat(len(requests))
        named = [condition.named(prefix) for prefix, condition in conditions.items()]
        told = self.conditioner.with_negatives if "negative_" in conditions else {}
        return dict(chain.from_iterable(one.items() for one in (*named, told)))

    def paint(
        self, requests: Sequence[ArtworkRequest], options: DrawingOptions, *, halves: bool = True
    ) -> Iterator[Painted]:
        """The picture of each request, None where the pipeline's safety checker refuses it.

        In the place of what is no picture stands the error that says why. See `Renderer.render`.
        """
        return self.renderer.render(requests, options, halves=halves)

    @property
    def sides(self) -> Sides:
        """Sides of pictures."""
        return Sides(own=self.conditioner.own_side, multiple=self.conditioner.side_multiple)

    @property
    def token_embeddings(self) -> tuple[torch.Tensor, ...]:
        """`[vocabulary, width]` of each text encoder: what tells it from another model's."""
        encoders = (getattr(self.pipeline, f"text_encoder{suffix}", None) for suffix in ("", "_2", "_3"))
        return tuple(one.get_input_embeddings().weight for one in encoders if one is not None)

    @property
    def batch_size(self) -> int:
        """Pictures drawn at a time."""
        return self.renderer.batch_size.size

    def _encoders_at_work(self) -> AbstractContextManager[None]:
        if self._placement is None:
            return nullcontext()
        return self._placement.encoders_at_work(self.conditioner.modules)

    def complete(self, options: DrawingOptions) -> DrawingOptions:
        """Options with the checkpoint's own steps, guidance and sides, where they do not say otherwise."""
        return self._own.complete(options.within(self.num_layers), self.sides.own)

    def _options(self, values: Mapping[str, Any]) -> DrawingOptions:
        return self.complete(self.limits.parse_options(values, self.sides, EVERY_REFERENCE))

    def _check_reading(self, options: DrawingOptions) -> None:
        is_guided = self._own.leads_away(options.guidance) and self.conditioner.takes_negative_prompt
        check_reading(options, is_guided=is_guided, keeps_words=self.conditioner.keeps_words)
