"""Figures of the comparison with other methods: measures and cost side by side, and one target by all."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from evaluation.report.plots import BLUE, GAP, GRAY, LABEL_HEIGHT, ORANGE
from evaluation.statistics.findings import VariantFinding
from evaluation.statistics.intervals import Estimate

COLUMNS, SIDE = 5, 220
"""Of the sheet: pictures in a row, and a picture's side in pixels."""

Panel = tuple[str, Callable[[VariantFinding], Estimate]]
PANELS: tuple[Panel, ...] = (
    ("own minus other, added", lambda one: one.comparison.minus_plain["own_minus_other"]),
    ("CLIP score, target, change", lambda one: one.comparison.minus_plain["clip_target"]),
    ("history, gain in %", lambda one: one.comparison.gains["clip_history"].ratio_of_means),
    ("MRR", lambda one: one.comparison.means["reciprocal_rank"]),
    ("diversity between users", lambda one: one.comparison.means["diversity_between"]),
)


def plot_methods(methods: Sequence[VariantFinding]) -> bytes:
    """Plot a row per method and a panel per measure, with intervals, and the seconds per target last."""
    figure = Figure(figsize=(15, 1.2 + 0.34 * len(methods)), layout="constrained")
    panels = figure.subplots(1, len(PANELS) + 1, sharey=True)
    rows = np.arange(len(methods))[::-1]
    colors = [BLUE if method.group == "baseline" else ORANGE for method in methods]
    for axes, (title, estimate_of) in zip(panels[:-1], PANELS, strict=True):
        for row, method, color in zip(rows, methods, colors, strict=True):
            _mark(axes, row, estimate_of(method), color)
        axes.set_title(title, fontsize=9)
    panels[-1].barh(rows, [method.costs["seconds_per_target"] for method in methods], color=colors)
    panels[-1].set_title("seconds per target", fontsize=9)
    panels[0].set_yticks(rows, [method.name for method in methods], fontsize=8)
    for axes in panels:
        axes.grid(alpha=0.25)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def draw_methods_sheet(pictures: Sequence[Image.Image], names: Sequence[str]) -> bytes:
    """Lay the pictures of one target by all methods side by side, the method's name above each."""
    step, rise = SIDE + GAP, SIDE + GAP + LABEL_HEIGHT
    num_rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (step * min(COLUMNS, len(pictures)), rise * num_rows), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        left, top = place % COLUMNS * step, place // COLUMNS * rise
        pen.text((left, top + 1), name[: SIDE // 6], fill="black")
        sheet.paste(picture.resize((SIDE, SIDE)), (left, top + LABEL_HEIGHT))
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    return buffer.getvalue()


def _mark(axes: Axes, row: int, estimate: Estimate, color: str) -> None:
    spread = np.nan_to_num([[estimate.mean - estimate.low], [estimate.high - estimate.mean]])
    axes.errorbar(estimate.mean, row, xerr=spread, fmt="o", color=color, elinewidth=1, markersize=4)
    axes.axvline(0, color=GRAY, linewidth=0.5)
