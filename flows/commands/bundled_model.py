"""Make the bundled image model anew, and show what it can do: figures, and sheets of unpicked pictures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from evaluation.bundled_model.figures import ALPHAS, measure_studio
from evaluation.bundled_model.sheets import write_sheets
from evaluation.measures.judge import ClipJudge
from fan_model.drawing.artist import Artist
from fan_model.studio.training.recipe import EXPECTED, RECIPES
from fan_model.studio.training.training_run import TrainingRun


def train(size: str, seed: int, folder: Path, device: str | None) -> tuple[Path, Path]:
    """Train pipeline and judge by a recipe; a training that was stopped is carried on.

    Returns:
        The folders of the pipeline and of its judge.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    recipe = RECIPES[size]
    print(
        f"recipe {size} on {chosen}: about {EXPECTED[size]}; if it is stopped, call it again and it goes on"
    )
    torch.set_flush_denormal(True)
    with _progress(recipe.num_posters) as bars:
        return TrainingRun(recipe, seed, folder, chosen, bars.report).train(bars.count_posters)


def show(pipeline: Path, judge: Path, folder: Path, *, num_captions: int, num_pairs: int) -> dict[str, float]:
    """Draw the sheets, measure the figures, and write both into a folder."""
    artist, clip = Artist.load(pipeline), ClipJudge.from_pretrained(judge)
    folder.mkdir(parents=True, exist_ok=True)
    write_sheets(artist, folder)
    figures = measure_studio(artist, clip, num_captions=num_captions, num_pairs=num_pairs)
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    (folder / "figures.md").write_text(describe(figures))
    return figures


def describe(figures: dict[str, float]) -> str:
    """Return the figures as two tables in Markdown: what is recognised, and what each alpha does."""
    kinds = [("rendered posters", "rendered"), ("drawn by the model", "drawn")]
    names = ("genre_accuracy", "palette_accuracy", "style_accuracy")
    lines = ["| pictures | genre of 18 | palette of 10 | style of 6 | CLIP score |", "|---|---|---|---|---|"]
    for words, kind in kinds:
        shares = " | ".join(f"{100 * figures[f'{kind}_{name}']:.1f} %" for name in names)
        lines.append(f"| {words} | {shares} | {figures[f'{kind}_clip_score']:.1f} |")
    lines += ["", "| alpha | genre | references' palette | references' style |", "|---|---|---|---|"]
    for alpha in ALPHAS:
        genre = figures[f"genre_accuracy_alpha_{alpha}"]
        palette, style = (figures[f"{name}_probability_alpha_{alpha}"] for name in ("palette", "style"))
        lines.append(f"| {alpha} | {100 * genre:.1f} % | {palette:.3f} | {style:.3f} |")
    return "\n".join(lines) + "\n"


@dataclass
class _Bars:
    """A progress bar for the posters and one for each part of the training."""

    posters: "tqdm[None]"
    parts: dict[str, "tqdm[None]"] = field(default_factory=dict)

    def count_posters(self, number: int) -> None:
        """Note that posters were drawn."""
        self.posters.update(number)

    def report(self, part: str, done: int, total: int, loss: float) -> None:
        """Note how far a part is."""
        if part not in self.parts:
            self.parts[part] = tqdm(total=total, desc=part, unit="step", disable=None)
        bar = self.parts[part]
        bar.update(done - bar.n)
        bar.set_postfix(loss=f"{loss:.3f}")


@contextmanager
def _progress(num_posters: int) -> Iterator[_Bars]:
    bars = _Bars(tqdm(total=num_posters, desc="posters", unit="poster", disable=None))
    try:
        yield bars
    finally:
        for bar in (bars.posters, *bars.parts.values()):
            bar.close()
