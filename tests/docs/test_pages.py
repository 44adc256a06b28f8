"""The pages for people: they are up to date, and what they name is there."""

import ast
import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
from PIL import Image
from typer.main import get_command

from docs import write_data_sets, write_sources
from docs.write_models import PAGE as MODELS_PAGE
from docs.write_models import describe_families
from docs.write_tables import PAGE, describe_tables
from feature_store.lake.lake import Lake
from feature_store.tables.runs import open_run, publish_run
from flows.cli.program import app, studio_app

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "sample" / "README.md",
    ROOT / "fan_model" / "bundled" / "README.md",
]
ASK = ROOT / "docs" / "how-to" / "ask.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`]+`|^ *fan .*$", re.MULTILINE)
FOLDERS = "distributions|docs|evaluation|fan_model|feature_store|flows|recsys_adapters|tests"
MODULE = re.compile(rf"python -m ((?:{FOLDERS})[\w.]*)")
FILE = re.compile(rf"\b(?:{FOLDERS})/[\w./-]+")
MADE_LATER = {"tests/benchmarks/results.json"}
COMMAND = re.compile(r"(?:^|`|\s)fan ([a-z][a-z-]+)(?: ([a-z]+))?")


def relative(page):
    return str(page.relative_to(ROOT))


def anchors(page):
    """Ids of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_of_the_tables_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == describe_tables(), "run `python -m docs.write_tables`"


def test_the_page_of_the_models_is_up_to_date():
    page = MODELS_PAGE.read_text(encoding="utf-8")
    assert page == describe_families(), "run `python -m docs.write_models`"


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


@pytest.mark.parametrize("package", ["recsys_adapters", "feature_store", "fan_model", "evaluation", "flows"])
def test_the_architecture_names_every_room(package):
    rooms = {folder.parent.name for folder in (ROOT / package).glob("*/__init__.py")}
    if package == "recsys_adapters":
        rooms.add("data_sets")  # recipes, no code
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert [room for room in rooms if f"| `{room}` |" not in page] == []


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


def command_lines(page):
    """Lines of a page's shell blocks that run `fan`, as the words after it."""
    for block in blocks(page, "sh"):
        for line in re.split(r"\n|&&|; ", block.replace("\\\n", " ")):
            if command := re.match(r"\s*(?:[A-Z_]+=\S+ )*fan (.*)", line):
                yield shlex.split(command[1], comments=True)


@pytest.mark.parametrize("page", [page for page in PAGES if [*command_lines(page)]], ids=relative)
def test_every_command_line_of_a_page_is_one_that_the_program_takes(page):
    group = get_command(app)
    with click.Context(group, info_name="fan") as context:
        for words in command_lines(page):
            name, command, rest = group.resolve_command(context, words)
            while isinstance(command, click.Group):
                name, command, rest = command.resolve_command(context, rest)
            command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_module_and_file_that_a_page_names_exists(page):
    text = LINK.sub("", page.read_text(encoding="utf-8"))
    assert [name for name in MODULE.findall(text) if importlib.util.find_spec(name) is None] == []
    files = {name.rstrip(".") for name in FILE.findall(text)} - MADE_LATER
    assert [name for name in files if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=relative)
def test_python_that_a_page_shows_imports_what_is_there(page):
    for block in blocks(page, "python"):
        tree = ast.parse(block)
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(tree, page.name, "exec"), {})


def test_the_readmes_example_of_the_library_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in blocks(ROOT / "README.md", "python") if "Personalizer" in block]
    exec(compile(example, "README.md", "exec"), {})
    assert Image.open(tmp_path / "western.png").size == (128, 128)


def test_plain_duckdb_opens_the_lake_as_the_page_says(tmp_path, monkeypatch):
    Lake(tmp_path / "workspace" / "lake").close()
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in blocks(ASK, "python") if "ATTACH" in block]
    exec(compile(example, "ask.md", "exec"), {})


def test_the_questions_of_the_pages_are_good_sql(tmp_path):
    lake = Lake(tmp_path)
    asked = [words[-1] for page in PAGES for words in command_lines(page) if words[0] == "query"]
    asked += re.findall(r"`(SELECT .*)`", ASK.read_text(encoding="utf-8"))
    asked += [block for page in PAGES for block in blocks(page, "sql") if block.startswith("SELECT")]
    assert len(asked) >= 10
    for sql in asked:
        assert lake.query(sql).num_columns


def test_plain_duckdb_reads_a_past_night_as_the_page_says(tmp_path):
    lake = Lake(tmp_path)
    publish_run(lake, open_run(lake))
    (example,) = [block for block in blocks(ASK, "sql") if block.startswith("SET VARIABLE")]
    assert lake.cursor().execute(example).fetchall() == []


def test_the_page_of_data_sets_has_their_recipes():
    page = write_data_sets.PAGE.read_text(encoding="utf-8")
    assert page == write_data_sets.write_page(), "run `python -m docs.write_data_sets`"


def test_the_page_of_sources_has_the_keys_of_the_adapters():
    page = write_sources.PAGE.read_text(encoding="utf-8")
    assert page == write_sources.write_page(page), "run `python -m docs.write_sources`"
