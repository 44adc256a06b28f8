"""The faults that mutation testing makes: one at a time, in code and SQL, never in what is only read."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.mutation.mutants import name_mutants
from tests.mutation.python_mutants import python_mutants
from tests.mutation.sql_mutants import changed_sql, sql_mutants

ROOT = Path(__file__).parents[2]
MODULES = tomllib.loads((ROOT / "tests/mutation/modules.toml").read_text())
EQUIVALENTS = tomllib.loads((ROOT / "tests/mutation/equivalents.toml").read_text())
CODE = '''"""About a < b."""
LIMIT = 3
def check(a: int, b: int) -> bool:
    """Whether a < b AND b > a."""
    if a < 0:
        raise ValueError("SELECT a non-negative number, a < 0")
    log(a, limit=b)
    return a < b
'''


def test_code_is_changed_in_one_place_at_a_time_and_stays_code():
    mutants = name_mutants(CODE, python_mutants(CODE))
    assert {mutant.name for mutant in mutants} == {
        "LIMIT = 3 => LIMIT = 4",
        "if a < 0: => if not (a < 0):",
        "if a < 0: => if a <= 0:",
        "if a < 0: => if a < 1:",
        "log(a, limit=b) => log(a, )",
        "log(a, limit=b) => pass",
        "return a < b => return a <= b",
    }
    for mutant in mutants:
        ast.parse(mutant.source)


def test_messages_and_docstrings_are_no_sql():
    assert sql_mutants(CODE) == []


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("a <= 1", {"a < 1"}),
        ("WHERE a = b AND NOT c", {"WHERE a <> b AND NOT c", "WHERE a = b OR NOT c", "WHERE a = b AND c",
                                   "WHERE true AND NOT c", "WHERE a = b AND true"}),
        ("a IS NOT DISTINCT FROM b", {"a = b"}),
        ("SELECT min(a)", {"SELECT max(a)"}),
        ("ORDER BY a, b DESC", {"ORDER BY a DESC, b DESC", "ORDER BY a, b ASC"}),
        ("a LEFT JOIN b USING (k, l)", {"a JOIN b USING (k, l)", "a LEFT JOIN b USING (k)",
                                        "a LEFT JOIN b USING (l)"}),
        ("a ANTI JOIN b ON k", {"a SEMI JOIN b ON k", "a ANTI JOIN b ON true"}),
        ("known_events(a, b)", {"known_events(b, a)"}),
    ],
)  # fmt: skip
def test_sql_is_changed_in_one_place_at_a_time(sql, changed):
    assert set(changed_sql(sql)) == changed


@pytest.mark.whole
def test_modules_their_tests_and_equivalent_mutants_are_there():
    assert all((ROOT / file).exists() for module, tests in MODULES.items() for file in (module, *tests))
    assert set(EQUIVALENTS) <= set(MODULES)
    for module, equivalents in EQUIVALENTS.items():
        source = (ROOT / module).read_text()
        names = {mutant.name for mutant in name_mutants(source, python_mutants(source) + sql_mutants(source))}
        assert set(equivalents) <= names, "no such mutants any more"
