"""One registered model behind both servers, each started once."""

import pytest

from feature_store.lake.lake import Lake
from flows.model.champion import register, tracking_uri
from flows.settings import read_settings
from tests.fan_model.artwork_servers import fan_serve, mlflow_serve
from tests.fan_model.pipelines import stable_diffusion

SETTINGS = """
[[sources]]
adapter = "movielens"
path = "logs"
[model]
pipeline = "pipeline"
[safety]
blocklist = "blocklist.txt"
[serving.limits]
max_references = 50
"""


@pytest.fixture(scope="session")
def settings_file(tmp_path_factory):
    """Settings of a tiny random pipeline, registered, and of a lake that is empty."""
    folder = tmp_path_factory.mktemp("served")
    stable_diffusion().save_pretrained(folder / "pipeline")
    (folder / "blocklist.txt").write_text("forbidden words\n")
    file = folder / "fan.toml"
    file.write_text(SETTINGS)
    settings = read_settings(file)
    Lake(settings.workspace / "lake").close()
    register(settings)
    return file


@pytest.fixture(scope="session")
def registry(settings_file):
    """Address of MLflow's database, in which the model is registered."""
    return tracking_uri(read_settings(settings_file))


@pytest.fixture(scope="session", params=["fan serve", "mlflow models serve"])
def server(request, settings_file, registry, tmp_path_factory):
    """Either server of the registered model; what holds of one must hold of the other."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    running = fan_serve(settings_file, log) if request.param == "fan serve" else mlflow_serve(registry, log)
    with running as server:
        yield server
