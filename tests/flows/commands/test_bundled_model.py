"""The figures of the bundled model, as people read them."""

from evaluation.bundled_model.figures import ALPHAS
from flows.commands.bundled_model import describe


def test_figures_are_told_as_tables():
    kinds = {f"{k}_{n}_accuracy": 0.5 for k in ("rendered", "drawn") for n in ("genre", "palette", "style")}
    scores = {"rendered_clip_score": 70.0, "drawn_clip_score": 63.0}
    sweep = {
        f"{n}_alpha_{a}": 0.25
        for n in ("genre_accuracy", "palette_probability", "style_probability")
        for a in ALPHAS
    }
    told = describe(kinds | scores | sweep)
    assert "| drawn by the model | 50.0 % | 50.0 % | 50.0 % | 63.0 |" in told
    assert "| 0.4 | 25.0 % | 0.250 | 0.250 |" in told
