"""Find out how strongly, and in which layers, references should act in a model."""

from pathlib import Path

from tqdm import tqdm

from evaluation.protocol.calibration import (
    ALPHAS,
    Calibration,
    TradeOff,
    agreeing_cases,
    calibrate,
    cases_of_texts,
    skip_choices,
)
from fan_model.drawing.artist import Artist
from flows.environment import quiet_libraries
from flows.model.champion import pipeline_source
from flows.settings import Settings


def calibrate_model(settings: Settings, *, num_cases: int, texts: Path | None) -> Calibration:
    """Measure the settings' pipeline.

    Args:
        settings: Which pipeline, and where it runs.
        num_cases: Targets that are personalized at every point of the curve.
        texts: UTF-8 file with a text per line to draw targets and references from; film posters if not given.
    """
    quiet_libraries()
    artist = Artist.load(
        pipeline_source(settings), revision=settings.model.revision, execution=settings.model.execution
    )
    cases = agreeing_cases(num_cases) if texts is None else cases_of_texts(_lines(texts), num_cases)
    with tqdm(total=len(ALPHAS) * len(skip_choices(artist.num_layers)), unit="point") as bar:
        return calibrate(artist, cases, report=lambda _: bar.update())


def describe_calibration(found: Calibration, settings: Settings) -> str:
    """Return the curve as a table, what was chosen, and how the settings compare with that."""
    lines = [f"{'skipped':>10}  {'alpha':>5}  {'target':>6}  {'references':>10}"]
    lines += [_line(point, is_chosen=point == found.chosen) for point in found.curve]
    now = settings.drawing.alpha, settings.drawing.skip_layers
    is_same = now == (found.chosen.alpha, found.chosen.skip_layers)
    verdict = "as the settings have it" if is_same else f"the settings have {now[0]}, {list(now[1])}"
    kept = ["# of every token; with keep_words, as you have it, an alpha changes less"]
    return "\n".join([*lines, "", f"# {verdict}", *(kept if settings.drawing.keep_words else []), found.toml])


def _line(point: TradeOff, *, is_chosen: bool) -> str:
    skipped = {0: "none", 1: "first"}.get(len(point.skip_layers), f"first {len(point.skip_layers)}")
    mark = "  <- chosen" if is_chosen else ""
    return f"{skipped:>10}  {point.alpha:5.1f}  {point.target:6.3f}  {point.references:10.3f}{mark}"


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
