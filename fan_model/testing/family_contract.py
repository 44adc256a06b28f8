"""What every pipeline promises that can be drawn with, whatever its text encoders are.

A test class inherits `FamilyContract`, says how its pipeline is made, and gets all these tests. Any weights
do: random ones of a tiny pipeline are quickest and show as much. Needs pytest
(`pip install fan-artwork[testing]`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from fan_model import Personalizer

TARGET, OTHER_TARGET = "western film poster", "a comedy"
SHORT, LONG = "neon", "a long tale of two towns, watercolor, in pastel and in the rain at night"
Pixels = NDArray[np.int16]


class FamilyContract(ABC):
    """For any pipeline that `Personalizer` takes."""

    tolerance: float = 2e-5
    """How far numbers of a condition may be apart that are the same by mathematics."""
    drawing: Mapping[str, Any] = {"num_inference_steps": 2, "guidance_scale": 1.0}
    """Options of drawings: as cheap as the pipeline can do."""
    own_call: Mapping[str, Any] = {}
    """What the pipeline's own call must be told besides, to draw likewise."""

    @abstractmethod
    def make_pipeline(self) -> DiffusionPipeline:
        """The pipeline: made, or loaded from a folder."""

    @pytest.fixture(scope="class")
    def personalizer(self) -> Personalizer:
        """What is tried."""
        pipeline = self.make_pipeline()
        pipeline.set_progress_bar_config(disable=True)
        return Personalizer(pipeline)

    def assert_same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        """Two conditions are the same, but for the order of sums."""
        assert one.keys() == other.keys()
        for name in one:
            for first, second in zip(_tensors(one[name]), _tensors(other[name]), strict=True):
                torch.testing.assert_close(first.float(), second.float(), rtol=0, atol=self.tolerance)

    def assert_different(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        """Two conditions differ by far more than the order of sums."""
        assert _distance(one, other) > 10 * self.tolerance

    def pixels(self, personalizer: Personalizer, *args: object, **options: object) -> Pixels:
        """Of one picture."""
        picture: Image.Image = personalizer.draw(*args, **self.drawing, **options)  # type: ignore[call-overload]
        return np.asarray(picture, np.int16)

    def test_without_references_the_picture_is_the_pipelines_own(self, personalizer: Personalizer) -> None:
        condition = personalizer.condition(TARGET)
        drawn = self._call(personalizer, condition)
        np.testing.assert_allclose(drawn, self.pixels(personalizer, TARGET, seed=3), atol=1)

    def test_references_equal_to_the_target_change_nothing(self, personalizer: Personalizer) -> None:
        plain = personalizer.condition(TARGET)
        ways: tuple[dict[str, Any], ...] = ({"alpha": 0.7}, {"alpha": 1.0, "skip_layers": ()})
        for options in ways:
            same = personalizer.condition(TARGET, [TARGET, TARGET], [1.0, 3.0], **options)
            self.assert_same(same, plain)

    @pytest.mark.parametrize("reference", [SHORT, LONG])
    def test_a_reference_moves_the_condition_and_alpha_0_does_not(
        self, personalizer: Personalizer, reference: str
    ) -> None:
        plain = personalizer.condition(TARGET)
        moved = personalizer.condition(TARGET, [reference], alpha=0.5)
        assert all(torch.isfinite(one.float()).all() for value in moved.values() for one in _tensors(value))
        self.assert_different(moved, plain)
        self.assert_same(personalizer.condition(TARGET, [reference], alpha=0.0), plain)

    def test_order_and_scale_of_weights_change_nothing(self, personalizer: Personalizer) -> None:
        one = personalizer.condition(TARGET, [SHORT, LONG], [2.0, 1.0], alpha=0.5)
        self.assert_same(personalizer.condition(TARGET, [LONG, SHORT], [7.0, 14.0], alpha=0.5), one)
        self.assert_different(personalizer.condition(TARGET, [SHORT, LONG], [1.0, 9.0], alpha=0.5), one)

    def test_references_that_are_the_crowds_change_nothing(self, personalizer: Personalizer) -> None:
        crowd: dict[str, Any] = {"crowd": [SHORT, LONG], "crowd_weights": [3.0, 1.0]}
        how = {"contrast": 0.8, "skip_layers": (), **crowd}
        plain = personalizer.condition(TARGET)
        self.assert_same(personalizer.condition(TARGET, [SHORT, LONG], [3.0, 1.0], **how), plain)
        self.assert_different(personalizer.condition(TARGET, ["pastel"], **how), plain)

    def test_a_user_never_sees_what_another_likes(self, personalizer: Personalizer) -> None:
        """Two users' references change places in one batch, and so do the pictures, to the last bit."""
        prompts = [TARGET, TARGET]
        one, other = self._draw_all(personalizer, prompts, [[SHORT], [LONG]])
        swapped_other, swapped_one = self._draw_all(personalizer, prompts, [[LONG], [SHORT]])
        assert (one != other).any()
        np.testing.assert_array_equal(one, swapped_one)
        np.testing.assert_array_equal(other, swapped_other)

    def test_a_picture_is_the_same_alone_and_in_a_batch(self, personalizer: Personalizer) -> None:
        first, last = self._draw_all(personalizer, [TARGET, OTHER_TARGET], [[SHORT, LONG], [LONG]])
        np.testing.assert_array_equal(first, self.pixels(personalizer, TARGET, [SHORT, LONG], seed=3))
        np.testing.assert_array_equal(last, self.pixels(personalizer, OTHER_TARGET, [LONG], seed=3))

    def test_a_condition_is_what_the_pipeline_takes(self, personalizer: Personalizer) -> None:
        condition = personalizer.condition(TARGET, [SHORT], alpha=0.5)
        drawn = self._call(personalizer, condition)
        np.testing.assert_allclose(
            drawn, self.pixels(personalizer, TARGET, [SHORT], seed=3, alpha=0.5), atol=1
        )

    def test_words_beyond_what_is_read_are_counted(self, personalizer: Personalizer) -> None:
        short, long = personalizer.count_unread([TARGET, "storm " * 5000])
        assert short == 0
        assert long > 0

    def _draw_all(
        self, personalizer: Personalizer, prompts: Sequence[str], references: Sequence[Sequence[str]]
    ) -> list[Pixels]:
        pictures = personalizer.draw(prompts, references, seed=3, **self.drawing)
        return [np.asarray(picture, np.int16) for picture in pictures]

    def _call(self, personalizer: Personalizer, condition: Mapping[str, Any]) -> Pixels:
        """Draw with the pipeline itself, as its own users do."""
        options = {**condition, **self.drawing, **self.own_call}
        noise = torch.Generator().manual_seed(3)
        return np.asarray(personalizer.pipeline(**options, generator=noise).images[0], np.int16)


def _tensors(value: object) -> list[torch.Tensor]:
    """One tensor, or a list of them, as the family takes it."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [one for one in value if isinstance(one, torch.Tensor)] if isinstance(value, list) else []


def _distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The greatest difference of two numbers; endless where shapes differ."""
    found = 0.0
    for name in one:
        for first, second in zip(_tensors(one[name]), _tensors(other[name]), strict=True):
            if first.shape != second.shape:
                return float("inf")
            found = max(found, float((first.float() - second.float()).abs().max()))
    return found
