"""The figures of the bundled model, as people read them."""

from evaluation.bundled_model.fused_taste import ALPHAS
from flows.commands.bundled_model import RECOGNISED, describe


def test_figures_are_told_as_tables():
    kinds = {f"{k}_{n}": 0.5 for k in ("rendered", "drawn") for n in RECOGNISED}
    scores = {"rendered_clip_score": 70.0, "drawn_clip_score": 63.0}
    sweep = {
        f"{prefix}{n}_alpha_{a}": 0.25
        for prefix in ("", "implied_")
        for n in ("genre_accuracy", "palette_probability", "style_probability")
        for a in ALPHAS
    }
    told = describe(kinds | scores | sweep)
    assert f"| drawn by the model |{' 50.0 % |' * len(RECOGNISED)} 63.0 |" in told
    assert told.count("| 0.4 | 25.0 % | 0.250 | 0.250 |") == 2
