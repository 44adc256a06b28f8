"""A night on a small MovieLens folder, with the bundled model at two steps."""

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from flows.settings import Settings, read_settings
from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings


@pytest.fixture(scope="session")
def prefect_server():
    """A Prefect server of the tests' own, without the second that each flow waits at its end."""
    with (
        prefect_test_harness(server_startup_timeout=90),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """A model registry for all tests: the first night registers the bundled model, the others find it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _use_registry(registry, monkeypatch):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", registry)


@pytest.fixture
def settings_file(tmp_path):
    """Settings of a night on a small MovieLens folder."""
    write_movielens(tmp_path / "logs", sample_ratings())
    return write_settings(tmp_path, NIGHT)


@pytest.fixture
def settings(settings_file) -> Settings:
    """The settings, read."""
    return read_settings(settings_file)
