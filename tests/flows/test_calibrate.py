"""`fan calibrate` prints the curve, and writes the settings that are best."""

import tomllib

import pytest
from typer.testing import CliRunner

from fan_model.bundled import SKIP_LAYERS
from flows.cli.program import app

SETTINGS = """
[[sources]]
adapter = "movielens"
path = "logs"
[drawing]
alpha = 0.4
skip_layers = []
"""


@pytest.mark.whole
def test_calibrate_prints_the_curve_and_writes_what_is_best(tmp_path):
    (tmp_path / "fan.toml").write_text(SETTINGS)
    written = tmp_path / "best.toml"
    arguments = ["calibrate", "--cases", "12", "--output", str(written)]
    result = CliRunner().invoke(app, [*arguments, "--settings", str(tmp_path / "fan.toml")])
    assert result.exit_code == 0, result.output
    assert result.output.count("<- chosen") == 1
    assert "# as the settings have it" in result.output
    assert tomllib.loads(written.read_text())["drawing"] == {"alpha": 0.4, "skip_layers": list(SKIP_LAYERS)}
