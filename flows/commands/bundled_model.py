"""Make the bundled image model anew, and show what it can do: figures, and sheets of unpicked pictures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from evaluation.bundled_model.figures import Drawer, Recognizer, measure_recognition, measure_speed
from evaluation.bundled_model.fused_taste import ALPHAS, measure_implied_taste, measure_personalization
from evaluation.bundled_model.sheets import write_sheets
from evaluation.measures.judge import ClipJudge
from fan_model.studio.training.recipe import EXPECTED, RECIPES
from fan_model.studio.training.starting_weights import StartingWeights
from fan_model.studio.training.training_run import TrainingRun

RECOGNISED = {
    "genre_accuracy": "genre of 18",
    "two_genres_recall": "two genres in the first two",
    "three_genres_recall": "three in the first three",
    "palette_accuracy": "palette of 10",
    "style_accuracy": "style of 6",
    "palette_habit_share": "untold palette by habit",
    "style_habit_share": "untold style by habit",
}
"""What the judge names in a picture, by the names of the figures."""


def train(
    size: str, seed: int, folder: Path, device: str | None, start: Path | None = None
) -> tuple[Path, Path]:
    """Train pipeline and judge by a recipe; a training that was stopped is carried on.

    Args:
        size: Name of the recipe.
        seed: Of posters, wordings and noise.
        folder: Where everything is made and kept.
        device: As torch spells it; the GPU, if there is one, if not given.
        start: Folder of the weights to start from; from nothing if not given.

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
        weights = StartingWeights(start) if start else None
        return TrainingRun(recipe, seed, folder, chosen, bars.report, weights).train(bars.count_posters)


def show(pipeline: Path, judge: Path, folder: Path, *, num_captions: int, num_pairs: int) -> dict[str, float]:
    """Draw the sheets, measure the figures, and write both into a folder."""
    drawer, clip = Drawer.load(pipeline), ClipJudge.from_pretrained(judge)
    folder.mkdir(parents=True, exist_ok=True)
    write_sheets(drawer, folder)
    recognizer = Recognizer.of(clip)
    figures = {"captions": float(num_captions), "pairs": float(num_pairs)}
    figures |= measure_recognition(drawer, recognizer, num_captions) | measure_speed(drawer)
    figures |= measure_personalization(drawer, recognizer, num_pairs)
    figures |= measure_implied_taste(drawer, recognizer, num_pairs)
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    (folder / "figures.md").write_text(describe(figures))
    return figures


def describe(figures: dict[str, float]) -> str:
    """Return the figures as tables in Markdown: what is recognised, and what each alpha does."""
    return "\n\n".join(("\n".join(_recognised(figures)), *map("\n".join, _swept(figures)))) + "\n"


def _recognised(figures: dict[str, float]) -> list[str]:
    lines = [f"| pictures | {' | '.join(RECOGNISED.values())} | CLIP score |", "|---" * 9 + "|"]
    for words, kind in (("rendered posters", "rendered"), ("drawn by the model", "drawn")):
        shares = " | ".join(f"{100 * figures[f'{kind}_{name}']:.1f} %" for name in RECOGNISED)
        lines.append(f"| {words} | {shares} | {figures[f'{kind}_clip_score']:.1f} |")
    return lines


def _swept(figures: dict[str, float]) -> Iterator[list[str]]:
    for prefix, whose in (("", "references'"), ("implied_", "references' habits'")):
        yield [f"| alpha | genre | {whose} palette | {whose} style |", "|---|---|---|---|"] + [
            f"| {alpha} | {100 * figures[f'{prefix}genre_accuracy_alpha_{alpha}']:.1f} % | "
            f"{figures[f'{prefix}palette_probability_alpha_{alpha}']:.3f} | "
            f"{figures[f'{prefix}style_probability_alpha_{alpha}']:.3f} |"
            for alpha in ALPHAS
        ]


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
