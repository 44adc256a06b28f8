"""The package as a library: by its door, by its documentation, and without the engines of a night."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fan_model

ROOT = Path(__file__).parents[2]
NEEDED = {"torch", "huggingface_hub", "transformers", "diffusers", "numpy", "PIL", "pydantic", "safetensors"}
ONLY_THE_NAME = "import sys, fan_model; sys.exit(bool({'torch', 'diffusers', 'pydantic'} & set(sys.modules)))"


def run(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_package_by_itself_imports_nothing():
    assert run(ONLY_THE_NAME).returncode == 0


def imported_by(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def test_the_library_needs_eight_packages():
    """The service is for MLflow and HTTP, the studio made the bundled model, contracts are for tests."""
    files = [
        file
        for file in (ROOT / "fan_model").rglob("*.py")
        if not {"service", "studio", "testing"} & set(file.relative_to(ROOT).parts)
    ]
    foreign = {name for file in files for name in imported_by(file)} - set(sys.stdlib_module_names)
    assert foreign - {"fan_model"} == NEEDED


def test_every_public_name_is_there_and_others_are_refused_with_them():
    assert sorted(fan_model.__all__) == fan_model.__all__ == dir(fan_model)
    for home, names in fan_model.HOMES.items():
        for name in names:
            assert getattr(fan_model, name) is getattr(importlib.import_module(home), name)
    assert sorted(name for names in fan_model.HOMES.values() for name in names) == fan_model.__all__
    with pytest.raises(AttributeError, match="fan_model has no Painter: it has Artist, "):
        fan_model.Painter  # noqa: B018


def test_types_are_told_to_those_who_check_them():
    assert (ROOT / "fan_model" / "py.typed").exists()


@pytest.mark.whole
def test_the_documentations_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 6
    exec(compile("\n".join(blocks), "docs/library.md", "exec"), {})
    assert (tmp_path / "western.png").exists()
