"""What is said of methods whose truth is known."""

import io

import numpy as np
import pytest
from PIL import Image

from evaluation.measures.picture_measures import MEASURES, P_VALUES
from evaluation.protocol.costing import COSTS
from evaluation.report.metrics import list_metrics
from evaluation.report.peer_plots import COLUMNS, SIDE, draw_methods_sheet, plot_methods
from evaluation.report.peer_table import compared_methods, judge_methods, write_comparison
from evaluation.statistics.findings import find
from evaluation.statistics.intervals import Resampling
from tests.evaluation.result_rows import result_row

USERS = range(12)
VIPER = "ViPer (one's rule)"
GROUPS = {"plain": "baseline", "full": "baseline", "PMG": "peer", VIPER: "peer", "FABRIC": "peer"}
ADDED = {"plain": 0.0, "full": 2.0, "PMG": 4.0, VIPER: 1.0, "FABRIC": 2.0}
NOISE = np.random.default_rng(0).normal(scale=0.1, size=len(USERS))


def row(variant, measure, user, value):
    return result_row(variant, GROUPS[variant], measure, user, value)


def findings(groups=GROUPS):
    rows = [
        row(variant, measure, user, 20 + ADDED[variant] + place * noise)
        for place, variant in enumerate(groups)
        for measure in MEASURES
        for user, noise in zip(USERS, NOISE, strict=True)
    ]
    rows += [row(variant, measure, None, 0.5) for variant in groups for measure in P_VALUES]
    costs = dict(zip(COSTS, (1.25, 298752.0, 6.5, 1.0), strict=True))
    rows += [row(variant, name, None, value) for variant in groups for name, value in costs.items()]
    return find(rows, list(groups), Resampling())


def test_the_table_has_a_row_per_method_with_its_cost():
    table = write_comparison(findings(), {})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "|" in line]
    assert [row[0] for row in cells[2:]] == list(GROUPS)
    assert cells[2][1:4] == ["", "", ""]
    pmg = cells[4]
    assert pmg[1].startswith("+4.0")
    assert pmg[3].startswith("+")
    assert pmg[-4:] == ["1.25", "298,752", "6.5", "1"]


def test_who_was_left_out_is_named_with_the_reason():
    assert "Left out: DrUM, for want of an adapter." in write_comparison(
        findings(), {"DrUM": "want of an adapter"}
    )
    assert "Left out" not in write_comparison(findings(), {})


def test_a_peer_that_wins_is_said_to_win():
    said = judge_methods(findings())
    assert "PMG: shown to be more personal than full" in said
    assert f"{VIPER}: shown to be less personal than full" in said
    assert "FABRIC: no difference from full is shown" in said
    assert said.endswith("Fewer than 200 users decide little.")


def test_without_peers_there_is_no_comparison():
    ours = findings({"plain": "baseline", "full": "baseline"})
    assert compared_methods(ours) == []
    assert write_comparison(ours, {}) == ""


def test_costs_are_numbers_with_names_and_no_p_values():
    found = findings()
    assert set(found.variants["PMG"].costs) == set(COSTS)
    assert set(found.variants["PMG"].p_values) == set(P_VALUES)
    metrics = dict(list_metrics(found))
    assert metrics["PMG/seconds_per_target"] == 1.25
    assert metrics["ViPer ones rule/training_minutes"] == 6.5


def test_the_figure_has_room_for_every_method():
    few, many = (
        Image.open(io.BytesIO(plot_methods(compared_methods(findings())[:count]))) for count in (2, 5)
    )
    assert many.height > few.height
    assert np.asarray(many.convert("L")).std() > 0


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (COLUMNS, 1), (COLUMNS + 1, 2)])
def test_the_sheet_has_every_methods_picture(count, rows):
    colors = [(40 * place, 200, 0) for place in range(count)]
    pictures = [Image.new("RGB", (8, 8), color) for color in colors]
    sheet = Image.open(io.BytesIO(draw_methods_sheet(pictures, [f"m{place}" for place in range(count)])))
    shown = set(sheet.convert("RGB").getdata())
    assert set(colors) <= shown
    assert round(sheet.height / SIDE) == rows
