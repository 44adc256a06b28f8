"""Files are their owner's alone unless settings share them, and what is advised phones nobody."""

import os
import stat
from dataclasses import replace

import pytest

from flows.commands.summary import summarize
from flows.settings import read_settings
from tests.flows.nights import NIGHT, write_settings
from tests.flows.programs import fan
from tests.flows.test_secrets import last_night


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize(("shared", "others"), [("false", {0o000}), ("true", {0o070, 0o060})])
def test_what_commands_write_is_for_nobody_else(shared, others, tmp_path):
    (tmp_path / "logs").mkdir()
    settings_file = write_settings(tmp_path, f"shared = {shared}\n{NIGHT}")
    fan("opt-out", "1", "--settings", settings_file)
    assert (tmp_path / "workspace" / "lake" / "catalog.sqlite").exists()
    assert modes(tmp_path / "workspace") <= others | {0o040, 0o050}
    if shared == "false":
        assert modes(tmp_path / "workspace") == others


@pytest.mark.whole
def test_the_commands_that_a_night_advises_phone_nobody(published_file, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = read_settings(published_file)
    told = summarize(settings, last_night(settings), ["publish"])
    (mlflow,) = (line for line in told.splitlines() if " ui " in line)
    (prefect,) = (line for line in told.splitlines() if " server start" in line)
    assert "MLFLOW_DISABLE_TELEMETRY=true" in mlflow
    assert "DO_NOT_TRACK=true" in mlflow
    assert "PREFECT_SERVER_ANALYTICS_ENABLED=false" in prefect


@pytest.mark.whole
@pytest.mark.parametrize(
    ("generated", "is_still"), [({}, True), ({"failed": 4}, False), ({"flagged": 4}, False)]
)
def test_a_night_in_which_every_picture_failed_is_not_told_as_one_of_no_changes(
    published_file, generated, is_still
):
    settings = read_settings(published_file)
    night = replace(last_night(settings), counts={"publish": {"targets": 4}, "generate": generated})
    assert ("nothing had to be drawn" in summarize(settings, night, ["publish"])) is is_still


@pytest.mark.whole
def test_servers_that_run_are_named_and_not_started_again(published_file, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "https://analyst:hidden@prefect.test/api")
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", "http://mlflow.test:5000")
    settings = read_settings(published_file)
    told = summarize(settings, last_night(read_settings(published_file)), ["publish"])
    assert "  MLflow    http://mlflow.test:5000\n" in told
    assert told.endswith("  Prefect   https://prefect.test")
    assert "hidden" not in told


@pytest.mark.whole
def test_a_title_with_an_escape_is_shown_spelled_out(published_file):
    said = fan("query", "SELECT chr(27) || '[2J' AS title", "--settings", published_file)
    assert "\\x1b[2J" in said.out
    assert "\x1b" not in said.out
