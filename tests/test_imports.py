"""Who may import whom: the arrows of the architecture, and no others."""

import ast
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


def _imports(file: Path) -> set[str]:
    """Name every module that a file imports, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively: name the package"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


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


def test_no_container_is_named_after_nothing():
    names = {path.stem for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    names |= {path.name for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_dir()}
    assert not names & {"utils", "common", "helpers"}
