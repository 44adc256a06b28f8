"""The pages for people: they are up to date, and what they name is there."""

import re
from pathlib import Path

import pytest

from docs.write_tables import PAGE, describe_tables
from flows.cli.program import app, studio_app

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "sample" / "README.md",
    ROOT / "fan_model" / "bundled" / "README.md",
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`]+`|^ *fan .*$", re.MULTILINE)
COMMAND = re.compile(r"(?:^|`|\s)fan ([a-z][a-z-]+)(?: ([a-z]+))?")


def relative(page):
    return str(page.relative_to(ROOT))


def anchors(page):
    """Ids of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_page_of_the_tables_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == describe_tables(), "run `python -m docs.write_tables`"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_of_a_page_leads_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    lost = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def names(application):
    return {one.name or one.callback.__name__.replace("_", "-") for one in application.registered_commands}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_command_of_a_page_exists(page):
    code = [
        line for line in re.findall(r"`[^`]+`|^ *fan .*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    asked = [match.groups() for line in code for match in COMMAND.finditer(line)]
    unknown = [
        (command, word)
        for command, word in asked
        if command not in names(app) and not (command == "studio" and word in names(studio_app) | {None})
    ]
    assert unknown == []
