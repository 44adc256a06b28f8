"""The command line in a process of its own, as people start it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fan_model.encoders.families import FAMILIES
from fan_model.encoders.image_families import IMAGE_FAMILIES
from flows.cli.program import app

ROOT = Path(__file__).parents[2]


def fan(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(cwd)},
    )


def test_help_lists_every_stage(tmp_path):
    shown = fan("--help")
    assert shown.returncode == 0
    for command in (
        "nightly",
        "ingest",
        "embed",
        "profile",
        "generate",
        "publish",
        "register",
        "explain",
        "query",
    ):
        assert command in shown.stdout


def test_the_readme_names_every_command():
    commands = [one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands]
    readme = (ROOT / "README.md").read_text()
    assert [name for name in commands if f"fan {name}" not in readme] == []


def test_missing_settings_are_one_line_and_exit_code_one(tmp_path):
    refused = fan("nightly", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("fan: no settings in fan.toml")
    assert len(refused.stderr.splitlines()) == 1


def test_a_query_before_the_first_night_says_what_to_run(tmp_path):
    (tmp_path / "fan.toml").write_text('[[sources]]\nadapter = "movielens"\npath = "logs"\n')
    refused = fan("query", "FROM artworks", cwd=tmp_path)
    assert refused.returncode == 1
    assert "run `fan ingest` or `fan nightly` first" in refused.stderr


def fan_without(module, *arguments):
    code = f"import sys; sys.modules[{module!r}] = None; from flows.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


@pytest.mark.parametrize("module", ["typer", "pydantic_settings", "duckdb"])
def test_without_its_extra_a_command_is_one_line_that_names_it(module):
    refused = fan_without(module, "query", "FROM artworks")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"fan: {module} is not installed: `pip install 'fan-artwork[nightly]'` brings all that the "
        "commands need\n"
    )


@pytest.mark.whole
def test_without_the_studio_its_command_says_how_to_get_it(tmp_path):
    refused = fan_without("fan_model.studio", "studio", "show", "--folder", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "fan: the studio is a distribution of its own: `pip install fan-artwork-studio`"
    )


def test_a_module_of_our_own_that_is_missing_is_no_matter_of_installing():
    broken = fan_without("flows.settings", "query", "FROM artworks")
    assert "ModuleNotFoundError" in broken.stderr
    assert "pip install" not in broken.stderr


def test_the_version_is_said():
    assert fan("--version").stdout.startswith("fan-artwork ")


def test_models_lists_every_family_with_what_it_consumes():
    output = CliRunner().invoke(app, ["models"]).output
    for family in FAMILIES:
        assert f"{family.name} ({family.pipeline})" in output
        assert family.consumes in output
    for images in IMAGE_FAMILIES:
        assert f"{images.name} ({images.pipeline})" in output
        assert images.consumes in output
