"""The command line in a process of its own, as people start it."""

import subprocess
import sys
from pathlib import Path

from flows.cli import app

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
