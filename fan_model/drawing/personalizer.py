"""The library's door: a diffusers pipeline in memory whose prompts take on references.

    personalizer = Personalizer(pipeline)
    pipeline(**personalizer.condition("western film poster", references=["pastel, watercolor"]))

Legend: b prompts, N texts, d width.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar, overload

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from fan_model.drawing.images import SpoiltPictureError, check_pixels, to_image
from fan_model.drawing.limits import RequestLimits, Sides
from fan_model.drawing.requests import (
    ArtworkRequest,
    DrawingOptions,
    RequestError,
    canonical,
)
from fan_model.drawing.threads import drawing_threads
from fan_model.encoders.conditioners import build_conditioner
from fan_model.encoders.conditions import Condition
from fan_model.encoders.key_value_cache import KeyValueCache
from fan_model.encoders.text_encoders import Profile
from fan_model.method.crowd_contrast import NOBODY, Crowd, normalize_weights
from fan_model.method.personalization import Personalization
from fan_model.method.profiling import FloatArray, ReferenceVectors
from fan_model.method.selection_policy import SelectionPolicy
from fan_model.method.taste import Taste

GIBIBYTE = 2**30
EVERY_REFERENCE = DrawingOptions(num_references=None)

ROWS_MULTIPLE = 4
"""The image model is given a multiple of so many rows. A matrix product works row blocks of this size alike,
but the rows left over differently: not filled up, a picture would depend on its batch in its last bit."""

Painted = Image.Image | SpoiltPictureError | None
Texts = Sequence[str]
Weights = Sequence[float] | None
Wanted = TypeVar("Wanted")


class Personalizer:
    """Personalizes the prompts of a pipeline, whose family must be one of those in `families`.

    The pipeline stays as it is: it can be called with or without what this gives. May be shared between
    threads.

    Args:
        pipeline: A text-to-image pipeline of diffusers, where its weights are.
        cache_bytes: Memory that recorded references may take.
        batch_size: Texts encoded or pictures drawn at a time.
        limits: What may be asked for; whatever the fields of requests and options allow, if not given.

    Raises:
        UnsupportedPipelineError: It cannot be drawn with.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        *,
        cache_bytes: int = GIBIBYTE,
        batch_size: int = 16,
        limits: RequestLimits | None = None,
    ) -> None:
        self.limits = limits or RequestLimits()
        """What may be asked for."""
        self.batch_size = batch_size
        """Texts encoded or pictures drawn at a time."""
        self.pipeline = pipeline
        """Changed by nobody: whoever draws in other ways with it, or its conditioner, changes a copy."""
        self.conditioner = build_conditioner(pipeline, KeyValueCache(cache_bytes))

    def condition(
        self,
        prompt: str | Texts,
        references: Texts | Sequence[Texts] = (),
        weights: Weights | Sequence[Weights] = None,
        *,
        alpha: float = Personalization.alpha,
        contrast: float = Personalization.contrast,
        crowd: Texts = (),
        crowd_weights: Sequence[float] = (),
        skip_layers: Sequence[int] = Personalization.skip_layers,
        target_query: bool = Personalization.target_query,
        negative_prompt: str = "",
    ) -> dict[str, Any]:
        """What the pipeline takes in place of `prompt` and `negative_prompt`, by diffusers' names.

        Args:
            prompt: One prompt, or b of them.
            references: Texts that speak for the user; for several prompts, one list per prompt.
            weights: Preference strength of each reference, above 0; for several prompts, one list (or None)
                per prompt. All equal if not given; only proportions matter.
            alpha: Degree of personalization, 0 (the prompt only) to 1 (the references only).
            contrast: How far to go along what sets the references apart from `crowd`, if there is one; then
                alpha plays no part. 0 is the paper's method.
            crowd: Texts that stand for what everybody likes.
            crowd_weights: One per text of the crowd; all equal if not given.
            skip_layers: Layers of the text encoder without personalized attention.
            target_query: Whether the personalized query starts as the prompt; if not, as the empty text.
            negative_prompt: What guidance leads away from, for families that take one.

        Returns:
            `prompt_embeds` [b, n, d] and, as the family takes them, `pooled_prompt_embeds`, masks, and the
            negatives of all of them. Z-Image takes a list of b times [n, d].

        Raises:
            RequestError: There is nothing to read in a text, or a value is out of its range.
        """
        how = {"alpha": alpha, "skip_layers": skip_layers, "target_query": target_query}
        contrasted = {"contrast": contrast, "crowd": crowd, "crowd_weights": crowd_weights}
        options = self._options({**how, **contrasted, "negative_prompt": negative_prompt})
        return self.prompt_arguments(self._requests(prompt, references, weights, seed=0), options)

    @overload
    def draw(  # type: ignore[overload-overlap] # a text is a sequence of texts as well
        self,
        prompt: str,
        references: Texts = (),
        weights: Weights = None,
        *,
        seed: int = 0,
        **options: object,
    ) -> Image.Image | None: ...

    @overload
    def draw(
        self,
        prompt: Texts,
        references: Sequence[Texts] = (),
        weights: Sequence[Weights] | None = None,
        *,
        seed: int | Sequence[int] = 0,
        **options: object,
    ) -> list[Image.Image | None]: ...

    def draw(
        self,
        prompt: str | Texts,
        references: Texts | Sequence[Texts] = (),
        weights: Weights | Sequence[Weights] = None,
        *,
        seed: int | Sequence[int] = 0,
        **options: object,
    ) -> Image.Image | list[Image.Image | None] | None:
        """The picture of one prompt, or a list of pictures; None where the safety checker refused it.

        A picture's pixels do not depend on what it is drawn together with.

        Args:
            prompt: As for `condition`, and so are `references` and `weights`.
            references: See there.
            weights: See there.
            seed: Of each picture's noise; one for all prompts, or one each.
            **options: Fields of `DrawingOptions`. With `num_references`, so many are selected of those given.

        Raises:
            RequestError: A text or an option is not what may be asked for.
            SpoiltPictureError: The image model gave what is no picture.
        """
        drawing = self._options(options)
        requests = self._requests(prompt, references, weights, seed)
        self.check(requests, drawing)
        with drawing_threads():
            drawn = self.paint([self.profile(request, drawing) for request in requests], drawing)
        images = [_sound(image) for image in drawn]
        return images[0] if isinstance(prompt, str) else images

    def select(self, history: Texts | Taste, num_references: int, *, prompt: str) -> dict[str, float]:
        """The references of a history that speak best for a user in one prompt, with their weights.

        Tailored profiling (the paper's section 3.3): relevant to the prompt, unlike one another.

        Args:
            history: Texts, or texts with weights above 0.
            num_references: How many to keep, at least 1.
            prompt: What will be drawn.
        """
        taste = history if isinstance(history, Mapping) else dict.fromkeys(history, 1.0)
        policy = SelectionPolicy(fraction=1.0, max_references=num_references)
        return self.select_by_policy(prompt, taste, policy)

    def select_by_policy(
        self, prompt: str, taste: Taste, policy: SelectionPolicy, crowd: Crowd = NOBODY
    ) -> dict[str, float]:
        """The references of a taste that a policy keeps for a prompt, with their weights."""
        if policy.num_references(len(taste)) == len(taste):
            return dict(taste)
        texts, weights = list(taste), list(taste.values())
        vectors = self.encode_texts([prompt, *texts])
        mean = self._mean(crowd) if crowd and policy.distinctive else None
        kept = policy.select(vectors[:1], vectors[1:], weights, crowd=mean).indices
        return {texts[place]: weights[place] for place in kept}

    def _mean(self, crowd: Crowd) -> FloatArray:
        """[d] the weighted mean of a crowd's unit means of tokens."""
        return np.asarray(normalize_weights(crowd.weights)) @ self.encode_texts(crowd.texts).unit_mean_tokens

    def profile(self, request: ArtworkRequest, options: DrawingOptions) -> ArtworkRequest:
        """Keep the references that the options select; the spelling is canonical."""
        whole = canonical(request)
        taste = dict(zip(whole.references, whole.strengths, strict=True))
        kept = self.select_by_policy(whole.prompt, taste, options.selection)
        return canonical(replace(whole, references=tuple(kept), weights=tuple(kept.values())))

    def encode_texts(self, texts: Texts) -> ReferenceVectors:
        """The two vectors of each text, from the very condition that the image model consumes."""
        batches = _batches(texts, self.batch_size)
        encoded = [self.conditioner.encode(batch).vectors() for batch in batches]
        encoded = encoded or [ReferenceVectors(*np.empty((2, 0, self.width), np.float32))]
        return ReferenceVectors(
            np.concatenate([batch.mean_unit_tokens for batch in encoded]),
            np.concatenate([batch.unit_mean_tokens for batch in encoded]),
        )

    @property
    def num_layers(self) -> int:
        """Layers of the deepest text encoder."""
        return self.conditioner.num_layers

    @cached_property
    def width(self) -> int:
        """Width of the reference vectors."""
        return self.conditioner.encode([""]).tokens[0].shape[-1]

    def check(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> None:
        """Refuse what is beyond the limits, or what the pipeline cannot do.

        Raises:
            RequestError: It is.
        """
        self.limits.check_options(options, self.sides)
        self._check_negative_prompt(options)
        least = self.conditioner.least_steps
        if options.num_inference_steps < least:
            raise RequestError(f"num_inference_steps must be at least {least}: this pipeline cannot do fewer")
        for request in requests:
            self.limits.check_request(request)

    def personalize(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> Condition:
        """The personalized condition of each request, whose references are all used."""
        crowd = options.contrasted_crowd
        profiles = [Profile(one.prompt, one.references, one.strengths, crowd) for one in requests]
        return self.conditioner.personalize(profiles, options)

    def prompt_arguments(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> dict[str, Any]:
        """Condition and negative condition, by diffusers' names.

        Raises:
            RequestError: The pipeline takes one prompt at a time, or no negative prompt.
        """
        if self.conditioner.takes_one_prompt and len(requests) > 1:
            raise RequestError("prompt must be one: this pipeline takes the condition of one at a time")
        self._check_negative_prompt(options)
        conditions = {"": self.personalize(requests, options)}
        if self.conditioner.takes_negative_prompt:
            negative = self.conditioner.encode_negative(options.negative_prompt)
            conditions["negative_"] = negative.repeat(len(requests))
        named = [condition.named(prefix) for prefix, condition in conditions.items()]
        told = self.conditioner.with_negatives if "negative_" in conditions else {}
        return dict(chain.from_iterable(one.items() for one in (*named, told)))

    def paint(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> list[Painted]:
        """The picture of each request, None where the pipeline's safety checker refuses it.

        In the place of what is no picture stands the error that says why.
        """
        batches = _batches(requests, 1 if self.conditioner.draws_alone else self.batch_size)
        return list(chain.from_iterable(self._paint_batch(batch, options) for batch in batches))

    def _paint_batch(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> Sequence[Painted]:
        filled = requests if self.conditioner.draws_alone else fill(requests, self.multiple(options))
        arguments = self.prompt_arguments(filled, options)
        seeds = [request.seed for request in filled]
        return self.paint_arguments(arguments, seeds, options)[: len(requests)]

    def paint_arguments(
        self,
        arguments: Mapping[str, Any],
        seeds: Sequence[int],
        options: DrawingOptions,
        pipeline: DiffusionPipeline | None = None,
    ) -> list[Painted]:
        """The picture of each condition, as `paint` gives it.

        Args:
            arguments: Conditions and negative conditions, by diffusers' names; as many as `multiple` says.
            seeds: One per condition.
            options: How to draw; what they say of references is not looked at.
            pipeline: One of the same components, changed; the personalizer's own if not given.
        """
        drawn = _with_own_scheduler(pipeline or self.pipeline)(
            **arguments,
            num_inference_steps=options.num_inference_steps,
            **self.conditioner.call_arguments(options.guidance_scale, options.height, options.width),
            output_type="np",
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        )
        flags = getattr(drawn, "nsfw_content_detected", None) or [False] * len(seeds)
        height, width = (side or self.sides.own for side in (options.height, options.width))
        return [
            None if flagged else check_pixels(pixels, height, width) or to_image(pixels)
            for pixels, flagged in zip(drawn.images, flags, strict=True)
        ]

    @property
    def sides(self) -> Sides:
        """Sides of pictures."""
        return Sides(own=self.conditioner.own_side, multiple=self.conditioner.side_multiple)

    @property
    def token_embeddings(self) -> tuple[torch.Tensor, ...]:
        """`[vocabulary, width]` of each text encoder: what tells it from another model's."""
        encoders = (getattr(self.pipeline, f"text_encoder{suffix}", None) for suffix in ("", "_2", "_3"))
        return tuple(one.get_input_embeddings().weight for one in encoders if one is not None)

    def _options(self, values: Mapping[str, Any]) -> DrawingOptions:
        return self.limits.parse_options(values, self.sides, EVERY_REFERENCE)

    def _requests(
        self,
        prompt: str | Texts,
        references: Texts | Sequence[Texts],
        weights: Weights | Sequence[Weights],
        seed: int | Sequence[int],
    ) -> list[ArtworkRequest]:
        """One request per prompt, read as those of a service are."""
        columns = _columns(prompt, references, weights, seed)
        for name, values in columns.items():
            if len(values) != len(columns["prompt"]):
                raise RequestError(f"{name} must be as many as the prompts, one for each")
        rows = zip(*columns.values(), strict=True)
        return [self.limits.parse_request(dict(zip(columns, row, strict=True))) for row in rows]

    def _check_negative_prompt(self, options: DrawingOptions) -> None:
        if options.negative_prompt and not self.conditioner.takes_negative_prompt:
            raise RequestError(
                "negative_prompt must be empty: this pipeline's guidance leads away from nothing"
            )

    def multiple(self, options: DrawingOptions) -> int:
        """Pictures are drawn in multiples of this; a guided one takes two rows."""
        is_guided = self.conditioner.takes_negative_prompt and options.guidance_scale > 1
        return ROWS_MULTIPLE // (2 if is_guided else 1)


def _with_own_scheduler(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """The pipeline with a scheduler of its own, which counts steps: threads must not share the count."""
    own = copy.copy(pipeline)
    own.scheduler = type(own.scheduler).from_config(own.scheduler.config)
    return own


def _sound(painted: Painted) -> Image.Image | None:
    if isinstance(painted, SpoiltPictureError):
        raise painted
    return painted


def _columns(
    prompt: str | Texts,
    references: Texts | Sequence[Texts],
    weights: Weights | Sequence[Weights],
    seed: int | Sequence[int],
) -> dict[str, Sequence[Any]]:
    """The fields of requests, by their names, with a value for each prompt."""
    if isinstance(prompt, str):
        return {"prompt": [prompt], "references": [references], "weights": [weights], "seed": [seed]}
    return {
        "prompt": prompt,
        "references": references or [()] * len(prompt),
        "weights": weights or [None] * len(prompt),
        "seed": [seed] * len(prompt) if isinstance(seed, int) else seed,
    }


def fill(requests: Sequence[Wanted], multiple: int) -> Sequence[Wanted]:
    """Repeat the last request until their number is a multiple."""
    return [*requests, *[requests[-1]] * (-len(requests) % multiple)]


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
