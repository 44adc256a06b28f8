"""How strongly references should act is measured, and the bundled model's defaults are what that finds."""

import tomllib

import pytest

from evaluation.protocol.calibration import (
    TradeOff,
    agreeing_cases,
    calibrate,
    cases_of_texts,
    choose,
    skip_choices,
)
from fan_model.bundled import PIPELINE_FOLDER, SKIP_LAYERS
from fan_model.drawing.artist import Artist
from tests.fan_model.language_pipelines import z_image


def point(alpha, target, references, skip_layers=()):
    return TradeOff(skip_layers, alpha, target, references)


@pytest.mark.whole
def test_the_bundled_models_own_settings_are_what_is_measured():
    found = calibrate(Artist.load(PIPELINE_FOLDER), agreeing_cases(24))
    assert (found.chosen.alpha, found.chosen.skip_layers) == (0.4, SKIP_LAYERS)
    assert len(found.curve) == 10 * len(skip_choices(5))


def test_a_language_model_is_measured_alike(tmp_path):
    z_image().save_pretrained(tmp_path)
    told = []
    artist = Artist.load(tmp_path)
    found = calibrate(artist, agreeing_cases(3), alphas=(0.1, 0.9), report=told.append)
    assert tuple(told) == found.curve
    assert {one.skip_layers for one in told} == {(), (0,), (0, 1)}
    for weak, strong in zip(told[::2], told[1::2], strict=True):
        assert strong.target < weak.target <= 1.0
        assert strong.references > weak.references
    settings = tomllib.loads(found.toml)["drawing"]
    assert settings == {"alpha": found.chosen.alpha, "skip_layers": list(found.chosen.skip_layers)}


def test_the_point_is_chosen_that_hears_references_best_and_keeps_the_target():
    curve = [point(0.2, 0.98, 0.1), point(0.4, 0.91, 0.3), point(0.4, 0.95, 0.2, (0,)), point(0.8, 0.3, 0.8)]
    assert choose(curve) is curve[1]
    assert choose(curve, 0.93) is curve[2]
    assert choose(curve, 0.99) is curve[0]


@pytest.mark.parametrize(
    ("num_layers", "counts"), [(5, [0, 1, 2]), (12, [0, 1, 2, 3, 6]), (36, [0, 1, 2, 4, 9, 18]), (2, [0, 1])]
)
def test_first_layers_are_skipped_together_up_to_half_of_them(num_layers, counts):
    assert [len(skipped) for skipped in skip_choices(num_layers)] == counts
    assert all(skipped == tuple(range(len(skipped))) for skipped in skip_choices(num_layers))


def test_cases_come_from_texts_of_ones_own_the_same_every_time():
    texts = [f"text {number}" for number in range(6)]
    cases = cases_of_texts(texts, 5)
    assert cases == cases_of_texts(texts[::-1], 5)
    assert all(len({case.target, *case.references}) == 5 for case in cases)
    with pytest.raises(ValueError, match="4 different texts are too few: give more than 4"):
        cases_of_texts([*texts[:4], texts[0]], 5)
