"""Who may import whom: the arrows of the architecture, and no others."""

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"evaluation", "fan_model", "feature_store", "flows", "recsys_adapters"}
ALLOWED = {
    "evaluation": {"fan_model"},
    "fan_model": set(),
    "feature_store": set(),
    "flows": PACKAGES,
    "recsys_adapters": {"feature_store.schemas"},
}


@cache
def _imports(file: Path) -> frozenset[str]:
    """Name every module that a file imports, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively: name the package"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(modules)


def _foreign_imports(package: str) -> set[str]:
    modules = {module for file in (ROOT / package).rglob("*.py") for module in _imports(file)}
    return {module for module in modules if module.split(".")[0] in PACKAGES - {package}}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_imports_only_what_its_arrow_allows(package):
    allowed = ALLOWED[package]
    forbidden = {
        module
        for module in _foreign_imports(package)
        if not any(module == name or module.startswith(f"{name}.") for name in allowed)
    }
    assert forbidden == set()


def test_the_arrows_that_are_allowed_are_used():
    assert {module.split(".")[0] for module in _foreign_imports("flows")} >= {
        "fan_model",
        "feature_store",
        "recsys_adapters",
    }
    assert any(module.startswith("feature_store.schemas") for module in _foreign_imports("recsys_adapters"))


def test_the_feature_store_never_imports_torch():
    modules = {module for file in (ROOT / "feature_store").rglob("*.py") for module in _imports(file)}
    assert not {
        module for module in modules if module.split(".")[0] in {"torch", "transformers", "diffusers"}
    }


def test_only_the_schedule_imports_prefect():
    importers = {
        file.relative_to(ROOT).parts[:2]
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if any(module.split(".")[0] == "prefect" for module in _imports(file))
    }
    assert importers == {("flows", "schedule")}


ROOMS = sorted(
    ".".join(file.parent.relative_to(ROOT).parts)
    for package in PACKAGES
    for file in (ROOT / package).rglob("__init__.py")
)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_shows_no_names_of_others(room):
    module = importlib.import_module(room)
    shown = [getattr(module, name) for name in dir(module) if not name.startswith("_")]
    named = [one for one in shown if inspect.ismodule(one) or inspect.isclass(one) or inspect.isroutine(one)]
    homes = {getattr(one, "__module__", one.__name__).split(".")[0] for one in named}
    assert homes <= PACKAGES


def test_no_container_is_named_after_nothing():
    names = {path.stem for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    names |= {path.name for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_dir()}
    assert not names & {"utils", "common", "helpers"}


ROOMS = {
    ".".join(file.parent.relative_to(ROOT).parts): file
    for package in sorted(PACKAGES)
    for file in sorted((ROOT / package).rglob("__init__.py"))
}
ONLY = re.compile(r"[Oo]nly ((?:`[\w.]+`(?:, | and )?)+) comes? here")
"""How the docstring of a room names all who may come in."""


def _room(module: str) -> str:
    """The room that a module, or a name of a module, lies in."""
    while module not in ROOMS:
        module = module.rpartition(".")[0]
    return module


def _visitors(room: str) -> set[str]:
    """Rooms that import from a room; what a package shows of its rooms in its own `__init__` is no visit."""
    package = room.split(".")[0]
    return {
        visitor
        for file in (file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))
        if (visitor := ".".join(file.parent.relative_to(ROOT).parts)) != room
        and file != ROOMS[package]
        and any(_room(module) == room for module in _imports(file) if module.split(".")[0] == package)
    }


def _claims() -> dict[str, set[str]]:
    """Who comes in, for each room that says so, as it is written there."""
    told = {room: " ".join(file.read_text().split()) for room, file in ROOMS.items()}
    said = {room: found[1] for room, text in told.items() if (found := ONLY.search(text))}
    return {room: set(re.findall(r"`([\w.]+)`", names)) for room, names in said.items()}


@pytest.mark.parametrize("room", _claims())
def test_a_room_that_names_all_who_come_in_names_them_truly(room):
    package = room.split(".")[0]
    assert {name.removeprefix(f"{package}.") for name in _visitors(room)} == _claims()[room]


def test_the_rooms_of_which_few_know_say_who_comes_in():
    assert len(_claims()) > 15
