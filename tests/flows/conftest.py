"""Nights on a small MovieLens folder, with a tiny model that all of them share."""

import shutil
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from pydantic import SecretStr

from flows.settings import Settings, read_settings
from tests.fan_model.pipelines import stable_diffusion
from tests.flows.nights import NIGHT, run, sample_ratings, use_variables, write_movielens, write_settings


@pytest.fixture(scope="session")
def prefect_server():
    """A Prefect server of the tests' own, without the second that each flow waits at its end."""
    # It imports the whole server, which takes seconds.
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=300),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def prefect_database(prefect_server):
    """The file of that server's database."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    url = url.get_secret_value() if isinstance(url, SecretStr) else url
    return Path(url.removeprefix("sqlite+aiosqlite:///"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """A model registry for all tests: the first night registers a model, the others find it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory):
    """The folder of a pipeline 32 wide, for nights whose pictures nobody looks at; a token is a letter."""
    folder = tmp_path_factory.mktemp("tiny") / "pipeline"
    stable_diffusion(num_tokens=77).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(registry, tiny_pipeline):
    """Variables of settings with the tiny pipeline, in the registry of all tests."""
    return {"FAN_MODEL__TRACKING_URI": registry, "FAN_MODEL__PIPELINE": str(tiny_pipeline)}


@pytest.fixture(scope="session")
def bundled_model(registry):
    """Variables of settings with the bundled pipeline, in the registry of all tests."""
    return {"FAN_MODEL__TRACKING_URI": registry, "FAN_MODEL__NAME": "bundled"}


@pytest.fixture(scope="module")
def model(tiny_model):
    """Variables that say which model a module's nights draw with; a module that needs another says so."""
    return tiny_model


@pytest.fixture(scope="module", autouse=True)
def _use_model(model):
    with use_variables(model):
        yield


@pytest.fixture(scope="session")
def published_night(tiny_model, tmp_path_factory):
    """The folder of a published night, made once to be copied."""
    folder = tmp_path_factory.mktemp("published")
    write_movielens(folder / "logs", sample_ratings())
    with use_variables(tiny_model):
        run(write_settings(folder, NIGHT))
    return folder


@pytest.fixture
def published_file(published_night, tmp_path):
    """Settings of a night that was published, which is the test's own."""
    shutil.copytree(published_night, tmp_path, dirs_exist_ok=True)
    return tmp_path / "fan.toml"


@pytest.fixture
def settings_file(empty_lake, tmp_path):
    """Settings of a night on a small MovieLens folder."""
    write_movielens(tmp_path / "logs", sample_ratings())
    shutil.copytree(empty_lake, tmp_path / "workspace" / "lake")
    return write_settings(tmp_path, NIGHT)


@pytest.fixture
def settings(settings_file) -> Settings:
    """The settings, read."""
    return read_settings(settings_file)
