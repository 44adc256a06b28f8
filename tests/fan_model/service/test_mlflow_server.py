"""MLflow's server answers with our application, or does not start."""

import os
import subprocess
import sys
from types import ModuleType

import pytest
from fastapi import FastAPI
from mlflow.artifacts import download_artifacts
from mlflow.pyfunc import scoring_server

from fan_model.service import mlflow_server
from fan_model.service.deployment import Deployment
from fan_model.service.mlflow_server import (
    MODEL_VARIABLE,
    SERVER_MODULE,
    ScoringServerError,
    keep_time_limit,
    take_the_place,
)
from tests.fan_model.artwork_servers import CHAMPION, PROGRAMS, server_environment

pytestmark = pytest.mark.whole

MODEL_IS_LOADED = "scoring_server.init(scoring_server.load_model_with_mlflow_config(MODEL))"
ANOTHER_MLFLOW = {
    "whose application is elsewhere": f"app = {MODEL_IS_LOADED}",
    "whose application is there before the model": f"""
import sys
server = sys.modules["{SERVER_MODULE}"] = type(sys)("{SERVER_MODULE}")
server.app = None
app = {MODEL_IS_LOADED}
""",
    "whose variable has another name": f"del os.environ['{MODEL_VARIABLE}']\napp = {MODEL_IS_LOADED}",
}


@pytest.mark.parametrize(
    "case",
    # One real server of each kind takes a quarter of a minute to refuse; the others are with the slow tests.
    [pytest.param(case, marks=[pytest.mark.slow] * (place > 0)) for place, case in enumerate(ANOTHER_MLFLOW)],
    ids=str,
)
def test_a_server_that_would_answer_by_itself_does_not_start(case, registry, tmp_path):
    """The real uvicorn and the real MLflow, but for the module that it serves."""
    model = download_artifacts(CHAMPION, tracking_uri=registry)
    (tmp_path / "another_mlflow.py").write_text(
        f"import os\nfrom mlflow.pyfunc import scoring_server\nMODEL = os.environ['{MODEL_VARIABLE}']\n"
        + ANOTHER_MLFLOW[case]
    )
    environment = server_environment()
    environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    refused = subprocess.run(
        [PROGRAMS / "uvicorn", "--port", "0", "another_mlflow:app"],
        env={**environment, MODEL_VARIABLE: model},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert refused.returncode == 1
    assert "ScoringServerError: MLflow does not load the model while it imports" in refused.stderr
    assert "Serve the model with `fan serve`" in refused.stderr
    assert "Uvicorn running" not in refused.stderr


def test_the_installed_mlflow_serves_the_module_and_sets_the_variable_that_we_know():
    command, environment = scoring_server.get_cmd("/a/model")
    assert command.endswith(f" {SERVER_MODULE}:app")
    assert environment[MODEL_VARIABLE] == "file:///a/model"


def test_an_import_that_is_under_way_returns_our_application(monkeypatch):
    importing = ModuleType(SERVER_MODULE)
    monkeypatch.setitem(sys.modules, SERVER_MODULE, importing)
    ours = FastAPI()
    take_the_place(ours)
    assert sys.modules[SERVER_MODULE].app is ours
    assert not hasattr(importing, "app")


@pytest.mark.parametrize("imported", [True, False])
def test_an_import_that_is_over_or_has_not_begun_is_refused(monkeypatch, imported):
    if imported:
        module = ModuleType(SERVER_MODULE)
        module.app = FastAPI()
        monkeypatch.setitem(sys.modules, SERVER_MODULE, module)
    else:
        monkeypatch.delitem(sys.modules, SERVER_MODULE, raising=False)
    with pytest.raises(ScoringServerError, match="its own handler would answer, without limits"):
        take_the_place(FastAPI())


@pytest.mark.parametrize(("timeout", "seconds"), [("7", 7), ("600", 50)])
def test_nobody_waits_longer_than_mlflows_time_limit(monkeypatch, timeout, seconds):
    monkeypatch.setenv("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", timeout)
    assert keep_time_limit(Deployment(max_wait_seconds=50)).max_wait_seconds == seconds


def test_a_process_that_is_no_server_is_left_alone(monkeypatch):
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    monkeypatch.setattr(mlflow_server, "take_the_place", lambda _: pytest.fail("it is no server"))
    mlflow_server.answer_in_scoring_server(None, None)
