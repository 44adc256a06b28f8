"""Where drawing may be interrupted."""

import inspect

import pytest
from diffusers import DDPMScheduler

from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.encoders.breaks import break_between_steps, take_break, with_breaks
from tests.fan_model.pipelines import stable_diffusion

STEPS = 3


class Breaks:
    """Counts breaks."""

    def __init__(self):
        self.number = 0

    def __call__(self):
        self.number += 1


def _draw(personalizer, num_references, breaks):
    references = tuple(f"reference {number}" for number in range(num_references))
    request = ArtworkRequest(prompt="a harbour", references=references, seed=1)
    options = DrawingOptions(num_inference_steps=STEPS, num_references=None)
    with with_breaks(breaks):
        return list(personalizer.paint([request], personalizer.complete(options)))


def test_without_anything_to_do_a_break_is_nothing():
    take_break()


def test_a_drawing_takes_a_break_before_each_step_each_layer_and_each_batch_of_texts():
    breaks, personalizer = Breaks(), Personalizer(stable_diffusion())
    _draw(personalizer, 40, breaks)
    num_batches, num_layers = 3, personalizer.num_layers - 1
    assert breaks.number == STEPS + num_layers + num_batches


def test_vectors_of_many_texts_are_made_with_breaks():
    breaks = Breaks()
    with with_breaks(breaks):
        Personalizer(stable_diffusion()).encode_texts([f"text {number}" for number in range(40)])
    assert breaks.number == 3


def test_whoever_draws_one_at_a_time_takes_no_break_while_others_wait_for_the_turn():
    alone, together = Breaks(), Breaks()
    _draw(Personalizer(stable_diffusion(), keeps_state=True), 1, alone)
    _draw(Personalizer(stable_diffusion()), 1, together)
    assert together.number - alone.number == STEPS


def test_a_break_changes_no_pixel():
    personalizer = Personalizer(stable_diffusion())

    def draw_another():
        with with_breaks(None):
            list(personalizer.paint([ArtworkRequest(prompt="another", seed=2)], options))

    options = personalizer.complete(DrawingOptions(num_inference_steps=STEPS))
    (interrupted,) = _draw(personalizer, 5, draw_another)
    (alone,) = _draw(personalizer, 5, None)
    assert interrupted.tobytes() == alone.tobytes()


def test_what_a_break_raises_ends_the_drawing():
    def end():
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        _draw(Personalizer(stable_diffusion()), 1, end)


def test_a_step_with_breaks_takes_what_the_step_takes():
    scheduler = DDPMScheduler()
    before = inspect.signature(scheduler.step).parameters
    break_between_steps(scheduler)
    assert inspect.signature(scheduler.step).parameters == before
