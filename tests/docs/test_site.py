"""The documentation's site is built without a warning, and its reference says what the code says."""

import subprocess
import sys
import tomllib

import pytest
import yaml
from prefect.automations import Automation

from docs import write_reference
from flows.schedule.nightly import WITH_FAULTS, nightly
from flows.settings import Settings
from tests.docs.test_pages import PAGES, ROOT, blocks, relative

SOURCE = {"adapter": "movielens", "path": "logs"}


@pytest.mark.whole
def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = {str(page.relative_to(tmp_path / "site")) for page in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "tutorial.html", "how-to/own-data.html", "reference/api.html"} <= pages
    api = (tmp_path / "site" / "reference" / "api.html").read_text()
    assert 'id="fan_model.drawing.personalizer.Personalizer"' in api


def test_the_reference_is_up_to_date():
    for page, written in write_reference.write_pages().items():
        told = f"{page.name}: run `python -m docs.write_reference`"
        assert page.read_text(encoding="utf-8") == written, told


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=relative)
def test_settings_that_a_page_shows_are_good_settings(page):
    for block in blocks(page, "toml"):
        Settings(**({"sources": [SOURCE]} | tomllib.loads(block)))


def test_the_automation_that_the_page_shows_waits_for_what_the_night_ends_with():
    (block,) = blocks(ROOT / "docs" / "how-to" / "schedule.md", "yaml")
    automation = yaml.safe_load(block)
    assert f"prefect.flow-run.{WITH_FAULTS}" in Automation(**automation).trigger.expect
    assert automation["trigger"]["match_related"]["prefect.resource.name"] == nightly.name


def test_every_setting_is_described():
    lines = (write_reference.FOLDER / "settings.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| `")]
    assert len(rows) > 60
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []


def test_every_argument_and_option_is_described():
    lines = (write_reference.FOLDER / "commands.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| `")]
    assert len(rows) > 40
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []
