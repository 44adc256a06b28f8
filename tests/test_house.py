"""Rules of the house that anybody may break by accident: names, sizes, docstrings of rooms."""

import ast
import re
from collections import Counter
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from evaluation.protocol.results import EvaluationResult
from feature_store.schemas import ARTWORKS, EVALUATION_RESULTS, PROFILES
from feature_store.tables.artworks import ArtworkRow
from feature_store.tables.profiles import ProfileRow

ROOT = Path(__file__).parents[1]
PACKAGES = ("evaluation", "fan_model", "feature_store", "flows", "recsys_adapters")
FILES = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
LONGEST_FILE, LONGEST_FUNCTION, MOST_FILES = 400, 60, 16


@cache
def trees():
    return {file: ast.parse(file.read_text()) for file in FILES}


def nodes(*kinds):
    return [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, kinds)]


def repeated(names):
    return sorted(name for name, count in Counter(names).items() if count > 1)


def test_no_two_classes_have_one_name():
    assert repeated(node.name.lstrip("_") for node in nodes(ast.ClassDef)) == []


def test_no_two_modules_have_one_name():
    assert repeated(file.stem for file in FILES if file.stem != "__init__") == []


def test_flows_leave_sql_to_the_store():
    """But for what `fan export` asks of the readers' view, as an analyst would."""
    sql = re.compile(r"\b(SELECT [^.]|INSERT INTO|DELETE FROM|UPDATE \S+ SET|CREATE (OR|TABLE|TEMP|VIEW))")
    users = {file.name for file in FILES if "flows" in file.parts and sql.search(file.read_text())}
    assert users == {"export.py"}


def test_every_folder_says_what_belongs_there():
    folders = {file: tree for file, tree in trees().items() if file.stem == "__init__"}
    assert [file for file, tree in folders.items() if not ast.get_docstring(tree)] == []


def test_no_folder_file_or_function_is_long():
    sizes = Counter(file.parent for file in FILES)
    assert [folder for folder, size in sizes.items() if size > MOST_FILES + 1] == []
    assert [file for file in FILES if len(file.read_text().splitlines()) > LONGEST_FILE] == []
    functions = nodes(ast.FunctionDef, ast.AsyncFunctionDef)
    assert [node.name for node in functions if node.end_lineno - node.lineno >= LONGEST_FUNCTION] == []


@pytest.mark.parametrize(
    ("row", "table"),
    [(ProfileRow, PROFILES), (ArtworkRow, ARTWORKS), (EvaluationResult, EVALUATION_RESULTS)],
)
def test_a_row_has_the_columns_of_its_table(row, table):
    assert {field.name for field in fields(row)} == set(table.column_names)


def imports_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_prefect_is_imported_where_the_schedule_is_and_nowhere_else():
    users = {
        file.parent
        for file, tree in trees().items()
        if any(module.split(".")[0] == "prefect" for module in imports_of(tree))
    }
    assert users == {ROOT / "flows" / "schedule"}
