"""Figures of a report, as PNG: what personalization does as alpha grows, and what it costs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from evaluation.statistics.comparison import Estimate

BLUE, ORANGE, GRAY = "#2b6cb0", "#c2571a", "#777777"
GAP, LABEL_HEIGHT = 4, 14
"""Pixels between pictures of a sheet, and above its columns."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One variant in a figure."""

    name: str
    group: str
    alpha: float
    estimates: Mapping[str, Estimate]
    """Paired differences to the unpersonalized pictures, by measure."""


def plot_alpha_sweep(points: Sequence[Point], titles: Mapping[str, str]) -> bytes:
    """Plot measures against alpha, one panel each, with their intervals.

    Args:
        points: variants that differ in alpha alone.
        titles: panel's title of each measure to show.
    """
    ordered = sorted(points, key=lambda point: point.alpha)
    figure = Figure(figsize=(4.2 * len(titles), 3.3), layout="constrained")
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        estimates = [point.estimates[measure] for point in ordered]
        alphas = [point.alpha for point in ordered]
        low, high = [e.low for e in estimates], [e.high for e in estimates]
        axes.fill_between(alphas, low, high, color=BLUE, alpha=0.15, linewidth=0)
        axes.plot(alphas, [e.mean for e in estimates], "o-", color=BLUE)
        axes.axhline(0, color=GRAY, linewidth=0.8)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("alpha")
        axes.grid(alpha=0.25)
    return _png(figure)


def plot_trade_off(
    points: Sequence[Point],
    *,
    line: Sequence[Point],
    fidelity: str,
    preference: str,
    labels: tuple[str, str],
) -> bytes:
    """Plot what each variant keeps of the target against what it gains in preference.

    Args:
        points: the variants.
        line: those of them that a line joins, by alpha.
        fidelity: measure on the horizontal axis.
        preference: measure on the vertical axis.
        labels: of the two axes.
    """
    figure = Figure(figsize=(9.4, 5.4), layout="constrained")
    axes = figure.subplots()
    for point in points:
        _mark(axes, point, point.estimates[fidelity], point.estimates[preference])
    lowest_first = sorted(points, key=lambda point: point.estimates[preference].mean)
    for place, point in enumerate(lowest_first):
        at = point.estimates[fidelity].mean, point.estimates[preference].mean
        _name(axes, point.name, at, height=(place + 0.5) / len(points))
    joined = sorted(line, key=lambda point: point.alpha)
    axes.plot(
        [point.estimates[fidelity].mean for point in joined],
        [point.estimates[preference].mean for point in joined],
        color=BLUE,
        linewidth=1,
        zorder=0,
    )
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(alpha=0.25)
    return _png(figure)


def draw_contact_sheet(
    rows: Sequence[Sequence[Image.Image]], columns: Sequence[str], *, side: int = 128
) -> bytes:
    """Lay pictures side by side: a row per target, a column per variant, with the columns' names above.

    Args:
        rows: pictures, as many in each row as there are columns.
        columns: names.
        side: pixels of a picture's side.
    """
    step = side + GAP
    sheet = Image.new("RGB", (step * len(columns), LABEL_HEIGHT + step * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        pen.text((column * step, 1), name[: side // 6], fill="black")
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            sheet.paste(picture.resize((side, side)), (column * step, LABEL_HEIGHT + row * step))
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    return buffer.getvalue()


def _mark(axes: Axes, point: Point, fidelity: Estimate, preference: Estimate) -> None:
    """Draw a variant with both its intervals."""
    color = {"baseline": ORANGE, "alpha": BLUE}.get(point.group, GRAY)
    spread = [
        np.nan_to_num([[estimate.mean - estimate.low], [estimate.high - estimate.mean]])
        for estimate in (fidelity, preference)
    ]
    axes.errorbar(
        fidelity.mean,
        preference.mean,
        xerr=spread[0],
        yerr=spread[1],
        fmt="o",
        color=color,
        elinewidth=0.5,
        alpha=0.85,
    )


def _name(axes: Axes, name: str, point: tuple[float, float], *, height: float) -> None:
    """Write a name beside the axes, where names do not cover one another, and lead a line to it."""
    axes.annotate(
        name,
        point,
        xytext=(1.03, height),
        textcoords="axes fraction",
        fontsize=8,
        verticalalignment="center",
        arrowprops={"arrowstyle": "-", "color": GRAY, "linewidth": 0.4, "relpos": (0, 0.5)},
    )


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
