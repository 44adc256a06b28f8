"""What is packed: a wheel that is a library by itself, extras that bring the rest, the studio apart."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("evaluation", "fan_model", "feature_store", "flows", "recsys_adapters")
LARGEST_WHEEL = 30 * 10**6
NEVER_IMPORTED = {
    "accelerate",  # diffusers and transformers load with it
    "boto3",  # MLflow reaches an object store with it
    "duckdb-extension-ducklake", "duckdb-extension-httpfs",
    "duckdb-extension-postgres-scanner", "duckdb-extension-sqlite-scanner",
    "pytz",  # DuckDB returns times with it
    "rich",  # Typer's help
    "sqlalchemy",  # pinned for MLflow and Prefect
}  # fmt: skip
ENGINES = [
    "duckdb", "faiss", "fastapi", "implicit", "matplotlib", "mlflow", "pandas", "polars", "prefect",
    "pyarrow", "pydantic_settings", "ray", "starlette", "typer", "uvicorn",
]  # fmt: skip
WITHOUT_ENGINES = f"""
import sys
for name in {ENGINES}:
    sys.modules[name] = None  # an import of it fails
import fan_model, torch
assert "diffusers" not in sys.modules
for name in fan_model.__all__:
    getattr(fan_model, name)
from diffusers import DiffusionPipeline
from fan_model.bundled import PIPELINE_FOLDER, SKIP_LAYERS
personalizer = fan_model.Personalizer(DiffusionPipeline.from_pretrained(PIPELINE_FOLDER, dtype=torch.float32))
options = {{"skip_layers": SKIP_LAYERS, "num_inference_steps": 1}}
assert not {{name for name in {ENGINES} if sys.modules[name] is not None}}
print(fan_model.__file__, personalizer.draw("western film poster", ["romance, pastel"], **options).size)
"""
SERVING = """
import sys
for name in ("bm25s", "httpx", "implicit", "polars", "prefect"):
    sys.modules[name] = None
import fan_model.service.mlflow_model, flows.cli.program, flows.commands.serve
"""


FOR_CLUSTERS = ["boto3", "duckdb_extension_httpfs", "obstore", "psycopg2", "ray"]
ON_ONE_MACHINE = f"""
import sys
for name in {FOR_CLUSTERS}:
    sys.modules[name] = None
import flows.cli.program, flows.commands.doctor, flows.commands.maintain
import flows.schedule.nightly, flows.stages.night_tasks
"""


def read_project(file):
    return tomllib.loads(file.read_text(encoding="utf-8"))["project"]


PROJECT = read_project(ROOT / "pyproject.toml")
STUDIO = read_project(ROOT / "distributions" / "studio" / "pyproject.toml")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Both wheels, built in a copy so that the checkout stays as it is."""
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheels")
    for name in (*PACKAGES, "distributions"):
        unwanted = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for project in (copy, copy / "distributions" / "studio"):
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "--wheel-dir", str(built), str(project)], check=True)
    return {path.name.partition("-")[0]: path for path in built.glob("*.whl")}


def files_in(wheel):
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.mark.whole
def test_the_wheel_is_small_and_has_all_that_is_read_beside_the_code(wheels):
    assert wheels["fan_artwork"].stat().st_size < LARGEST_WHEEL
    bundled = {
        str(path.relative_to(ROOT)) for path in (ROOT / "fan_model" / "bundled").rglob("*.safetensors")
    }
    assert len(bundled) == 6
    assert files_in(wheels["fan_artwork"]) >= bundled | {
        "evaluation/report/report.html", "fan_model/drawing/blocklist.txt", "fan_model/py.typed",
        "flows/gallery/page.html", "flows/gallery/of_users.html",
        "flows/gallery/of_items.html", "flows/gallery/blind.html",
    }  # fmt: skip


@pytest.mark.whole
def test_the_two_wheels_share_the_packages_out(wheels):
    everything = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    studio = {name for name in everything if name.startswith("fan_model/studio/")}
    assert {name for name in files_in(wheels["fan_artwork"]) if name.endswith(".py")} == everything - studio
    words = "fan_model/studio/posters/title_words.toml"
    assert files_in(wheels["fan_artwork_studio"]) == studio | {words}


@pytest.mark.whole
def test_the_unpacked_wheel_draws_without_the_engines_of_a_night(wheels, tmp_path):
    zipfile.ZipFile(wheels["fan_artwork"]).extractall(tmp_path)
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_ENGINES], cwd=tmp_path, capture_output=True, text=True
    )
    assert finished.stdout == f"{tmp_path / 'fan_model' / '__init__.py'} (128, 128)\n", finished.stderr


def test_both_distributions_have_one_version():
    assert STUDIO["version"] == PROJECT["version"]
    assert f"fan-artwork[nightly]=={PROJECT['version']}" in STUDIO["dependencies"]


def distribution_of(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-")


def declared(*extras):
    """Distributions that the wheel and some of its extras name, without the project itself."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return {distribution_of(requirement) for each in lists for requirement in each} - {"fan-artwork"}


def imported(*folders):
    """What the code in folders imports: for each module the distributions that it may come from."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    roots = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - set(PACKAGES)
    found = packages_distributions()
    return [{name.lower().replace("_", "-") for name in found[root]} for root in sorted(roots)]


def undeclared(needed, named):
    return [distributions for distributions in needed if not distributions & named]


def unused(needed, named):
    return named - NEVER_IMPORTED - set().union(*needed)


LIBRARY = [
    f"fan_model/{room}"
    for room in ("bundled", "drawing", "encoders", "image_references", "loading", "method", "retrieval")
]


COMMANDS = [
    "evaluation", "fan_model/service", "fan_model/testing", "feature_store", "flows", "recsys_adapters",
]  # fmt: skip
EXTRAS = ("serve", "nightly", "cluster", "testing")


@pytest.mark.whole
def test_the_wheel_asks_for_what_the_library_imports():
    assert undeclared(imported(*LIBRARY), declared()) == []
    assert unused(imported(*LIBRARY), declared()) == set()


def test_the_extras_ask_for_all_the_rest_that_is_imported():
    needed = imported(*LIBRARY, *COMMANDS)
    assert undeclared(needed, declared(*EXTRAS)) == []
    assert unused(needed, declared(*EXTRAS)) == set()


def test_only_contracts_need_what_the_extra_for_testing_brings():
    rooms = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    users = {
        file.parent.name
        for file in rooms
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(
            name.split(".")[0] in {"pytest", "hypothesis"}
            for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        )
    }
    assert users == {"testing"}


@pytest.mark.whole
def test_a_model_is_served_with_what_the_extra_for_serving_brings():
    finished = subprocess.run([sys.executable, "-c", SERVING], cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.whole
def test_one_machine_needs_nothing_of_what_the_extra_for_clusters_brings():
    finished = subprocess.run(
        [sys.executable, "-c", ON_ONE_MACHINE], cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


def test_the_studio_asks_for_what_it_imports():
    own = {distribution_of(requirement) for requirement in STUDIO["dependencies"]}
    assert undeclared(imported("fan_model/studio"), declared("serve", "nightly") | own) == []
