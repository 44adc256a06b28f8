"""Drawing with the study's own image model from conditions that a peer makes.

Steps, guidance, size and seeds are the study's: a peer has no say in them. Legend: b pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diffusers import DiffusionPipeline

from fan_model.drawing.artist import Artist
from fan_model.drawing.renderer import Painted, fill
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.drawing.threads import drawing_threads
from fan_model.encoders.conditions import Condition

Conditions = Callable[[Sequence[int]], Condition]
"""The conditions of some pictures, by their places."""


@dataclass(frozen=True)
class SharedImageModel:
    """An image model, and how everybody draws with it."""

    artist: Artist
    options: DrawingOptions

    @property
    def pipeline(self) -> DiffusionPipeline:
        """The model itself; whoever changes it changes a copy."""
        return self.artist.personalizer.pipeline

    @property
    def is_guided(self) -> bool:
        """Whether guidance leads away from a negative condition."""
        conditioner = self.artist.personalizer.conditioner
        return conditioner.takes_negative_prompt and self.options.guidance > 1

    def encode(self, texts: Sequence[str]) -> Condition:
        """The plain condition of each text, as plain pictures have it."""
        return self.artist.condition([ArtworkRequest(prompt=text) for text in texts], self.options)

    def encode_nothing(self) -> Condition:
        """The plain condition of an empty text, which no prompt may be."""
        return self.artist.personalizer.conditioner.encode([""])

    def encode_negative(self) -> Condition:
        """The one condition that guidance leads away from."""
        return self.artist.personalizer.conditioner.encode_negative(self.options.negative_prompt)

    def paint(
        self,
        seeds: Sequence[int],
        condition: Conditions,
        negative: Conditions,
        pipeline: DiffusionPipeline | None = None,
        *,
        alone: bool = False,
    ) -> list[Painted]:
        """The picture of each seed, drawn as the study draws all pictures.

        Args:
            seeds: [b] of the pictures' noise.
            condition: What the image model consumes in place of prompts.
            negative: What guidance leads away from.
            pipeline: The model with a part of it changed; the study's own if not given.
            alone: Draw each picture by itself, whatever the model would rather have.
        """
        personalizer = self.artist.personalizer
        alone = alone or personalizer.conditioner.draws_alone
        size = 1 if alone else self.artist.batch_size
        multiple = 1 if alone else personalizer.renderer.multiple(self.options)
        painted: list[Painted] = []
        with drawing_threads():
            for start in range(0, len(seeds), size):
                batch = range(start, min(start + size, len(seeds)))
                places = fill(batch, multiple)
                arguments = self._arguments(condition(places), negative, places)
                drawn = personalizer.renderer.draw(
                    arguments, [seeds[place] for place in places], self.options, pipeline
                )
                painted += drawn[: len(batch)]
        return painted

    def _arguments(
        self, condition: Condition, negative: Conditions, places: Sequence[int]
    ) -> dict[str, object]:
        """Both conditions, by the names that the pipeline's call takes."""
        conditioner = self.artist.personalizer.conditioner
        arguments = condition.named("")
        if conditioner.takes_negative_prompt:
            arguments |= negative(places).named("negative_") | dict(conditioner.with_negatives)
        return arguments
