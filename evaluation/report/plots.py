"""Figures of a report, as PNG: what personalization does as it grows stronger, and what it costs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from evaluation.statistics.comparison import Estimate

BLUE, ORANGE, GREEN, GRAY = "#2b6cb0", "#c2571a", "#2f855a", "#777777"
GAP, LABEL_HEIGHT = 4, 14
"""Pixels between pictures of a sheet, and above its columns."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One variant in a figure."""

    name: str
    group: str
    strength: float
    """Its alpha, or its contrast, where it contrasts: what grows along a line."""
    estimates: Mapping[str, Estimate]
    """Paired differences to the unpersonalized pictures, by measure."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Variants that differ in strength alone."""

    label: str
    points: Sequence[Point]
    color: str

    @property
    def ordered(self) -> list[Point]:
        """The weakest first."""
        return sorted(self.points, key=lambda point: point.strength)


def plot_sweeps(lines: Sequence[Line], titles: Mapping[str, str]) -> bytes:
    """Plot measures against the strength of personalization, one panel each, with their intervals.

    Args:
        lines: one curve each.
        titles: panel's title of each measure to show.
    """
    figure = Figure(figsize=(4.2 * len(titles), 3.3), layout="constrained")
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        for line in lines:
            _sweep(axes, line, measure)
        axes.axhline(0, color=GRAY, linewidth=0.8)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(", ".join(line.label for line in lines))
        axes.grid(alpha=0.25)
    panels[0].legend(fontsize=8)
    return _png(figure)


def plot_trade_off(
    points: Sequence[Point],
    *,
    lines: Sequence[Line],
    fidelity: str,
    preference: str,
    labels: tuple[str, str],
) -> bytes:
    """Plot what each variant keeps of the target against what it gains in preference.

    Args:
        points: the variants.
        lines: those of them that a line joins.
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
    for line in lines:
        kept, gained = (
            [point.estimates[name].mean for point in line.ordered] for name in (fidelity, preference)
        )
        axes.plot(kept, gained, color=line.color, linewidth=1, zorder=0, label=line.label)
    axes.legend(fontsize=8)
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


def _sweep(axes: Axes, line: Line, measure: str) -> None:
    """Draw a curve with its interval."""
    strengths = [point.strength for point in line.ordered]
    estimates = [point.estimates[measure] for point in line.ordered]
    low, high = [one.low for one in estimates], [one.high for one in estimates]
    axes.fill_between(strengths, low, high, color=line.color, alpha=0.15, linewidth=0)
    axes.plot(strengths, [one.mean for one in estimates], "o-", color=line.color, label=line.label)


def _mark(axes: Axes, point: Point, fidelity: Estimate, preference: Estimate) -> None:
    """Draw a variant with both its intervals."""
    color = {"baseline": ORANGE, "contrast": ORANGE, "strength": GREEN, "alpha": BLUE}.get(point.group, GRAY)
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
