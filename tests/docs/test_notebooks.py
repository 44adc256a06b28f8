"""The notebooks run from their first cell to their last, each as its reader would run it."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.flows.nights import CONTRASTED, run, sample_ratings, write_movielens, write_settings

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(file.stem for file in FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def beside_a_night(tmp_path_factory):
    """A folder with settings, and a workspace that has a night."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_movielens(folder / "logs", sample_ratings())
    run(write_settings(folder, CONTRASTED))
    return folder


@pytest.mark.whole
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_to_its_end(name, beside_a_night):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(beside_a_night)}})
    client.execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def is_fault(output):
    """An error, or a warning with somebody's paths in it."""
    return output.output_type == "error" or output.get("name") == "stderr"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_with_what_it_showed(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output for output in outputs if is_fault(output)] == []
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
