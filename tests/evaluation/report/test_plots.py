import io

import numpy as np
from PIL import Image

from evaluation.report.plots import (
    GAP,
    LABEL_HEIGHT,
    Line,
    Point,
    draw_contact_sheet,
    plot_sweeps,
    plot_trade_off,
)
from evaluation.statistics.comparison import Estimate


def estimate(mean, half=1.0):
    return Estimate(mean=mean, low=mean - half, high=mean + half, num_users=9)


def points():
    return [
        Point(
            name=f"alpha {alpha}",
            group="alpha",
            strength=alpha,
            estimates={"fidelity": estimate(-alpha), "preference": estimate(alpha, float("nan"))},
        )
        for alpha in (0.0, 0.5, 1.0)
    ]


def pixels(png):
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def line(**changes):
    return Line(**{"label": "alpha", "color": "#2b6cb0", "points": points()} | changes)


def colors_of(png, color):
    """Pixels of a colour."""
    wanted = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    return int((pixels(png) == wanted).all(axis=-1).sum())


def test_the_sweep_has_a_panel_per_measure():
    one = pixels(plot_sweeps([line()], {"fidelity": "Fidelity"}))
    two = pixels(plot_sweeps([line()], {"fidelity": "Fidelity", "preference": "Preference"}))
    assert one.std() > 0
    assert two.shape[1] == 2 * one.shape[1]


def test_every_line_has_a_curve_of_its_own_colour():
    two = [line(), line(label="contrast", color="#c2571a", points=points()[:2])]
    for figure in (
        plot_sweeps(two, {"fidelity": "Fidelity"}),
        plot_trade_off([], lines=two, fidelity="fidelity", preference="preference", labels=("a", "b")),
    ):
        assert all(colors_of(figure, one.color) > 100 for one in two)


def test_a_line_goes_from_the_weakest_to_the_strongest():
    ordered = line(points=points()[::-1]).ordered
    assert [point.strength for point in ordered] == [0.0, 0.5, 1.0]


def test_the_trade_off_is_drawn_even_where_an_interval_is_missing():
    figure = pixels(
        plot_trade_off(
            points(), lines=[line()], fidelity="fidelity", preference="preference", labels=("keeps", "gains")
        )
    )
    assert figure.std() > 0


def test_a_sheet_has_a_row_per_target_and_a_column_per_variant():
    colors = [["red", "lime"], ["blue", "black"], ["white", "yellow"]]
    rows = [[Image.new("RGB", (20, 20), color) for color in row] for row in colors]
    sheet = pixels(draw_contact_sheet(rows, ["plain", "full"], side=16))
    step = 16 + GAP
    assert sheet.shape == (LABEL_HEIGHT + 3 * step, 2 * step, 3)
    assert sheet[LABEL_HEIGHT + 8, 8].tolist() == [255, 0, 0]
    assert sheet[LABEL_HEIGHT + step + 8, 8].tolist() == [0, 0, 255]
    assert sheet[LABEL_HEIGHT + 8, step + 8].tolist() == [0, 255, 0]
