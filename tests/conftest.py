"""What every test needs: an environment prepared before any library is imported, and no network."""

import gc
import logging
import os
import tempfile
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from feature_store.intake import file_batches
from feature_store.lake import lake
from flows.environment import prepare_environment
from tests.cluster.servers import run_object_store, run_postgres, why_no_object_store, why_no_postgres

QUICK_LAKES = {"threads": "1", "allow_unsigned_extensions": "true"}
"""Tests open a thousand lakes of a few rows: a second thread triples the processor time of each query on
them, and a check of the extensions' signatures costs as much as the rest of opening a lake. Lakes in
processes of their own, as in `flows/test_crash.py`, have both."""

KEPT_LAKE = "EMPTY_LAKE_OF_TESTS"
"""Variable with the folder of an empty lake that several runs of the tests share; it is made by the first."""

# Of a million objects of libraries that are imported while tests are collected none is ever garbage.
gc.disable()

# No test fails because the machine is slow, least of all on a fresh clone, where tables are built first.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# Every run tries other inputs, and `make test-slow` as many as hypothesis does by itself.
hypothesis.settings.register_profile("brief", hypothesis.settings.get_profile("patient"), max_examples=30)
hypothesis.settings.load_profile("brief")

# One worker has one core; a second thread of torch's would only wait for it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
_prefect_home = tempfile.TemporaryDirectory(prefix="fan-prefect-", ignore_cleanup_errors=True)
prepare_environment(Path(_prefect_home.name))
lake.OPTIONS |= QUICK_LAKES
os.environ["HF_HUB_OFFLINE"] = "1"
for variable in [name for name in os.environ if name.startswith("FAN_") and name != "FAN_PARITY_DIR"]:
    del os.environ[variable]


TOGETHER = {
    "tests/fan_model/test_serving": "both servers of the model",
    "tests/flows/schedule/": "Prefect's server",
    "tests/flows/": "a published night, and a registered model",
}
"""What takes long to start: one worker has all the files of these places, and starts it once."""
SLOW_FIRST = (*TOGETHER, "tests/fan_model/", "tests/feature_store/")
"""Places in the order of their shares of the time, so that no worker is left with a long file at the end."""


def pytest_collection_modifyitems(items):
    """Put the files that take longest first."""
    places = {place: number for number, place in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: next((places[one] for one in places if item.nodeid.startswith(one)), 9))


def pytest_collection_finish():
    """Look for garbage from now on, among what the tests make only."""
    gc.freeze()
    gc.enable()


class ByFile(LoadScopeScheduling):
    """Share the tests out to workers a file at a time, in the order in which they were collected.

    What a file makes once, its module's fixtures, is made by one worker.
    """

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return next((name for place, name in TOGETHER.items() if file.startswith(place)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let files stay together, whatever `--dist` says."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory):
    """The folder of a lake with its tables and nothing in them, made once to be copied."""
    folder = Path(os.environ.get(KEPT_LAKE) or tmp_path_factory.mktemp("template") / "lake")
    if not folder.exists():
        lake.Lake(folder).close()
    return folder


@pytest.fixture(autouse=True)
def files_are_taken_in_together(request, caplog):
    """Fail a test whose files had to be read each by itself, unless it is marked as `read_apart`.

    What is wrong with the query that reads them together would only make a night slow, and be seen by nobody.
    """
    caplog.set_level(logging.INFO, logger=file_batches.__name__)
    yield
    if not request.node.get_closest_marker("read_apart"):
        apart = [
            record.message for record in caplog.get_records("call") if record.name == file_batches.__name__
        ]
        assert apart == []


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server."""
    if reason := why_no_postgres():
        pytest.skip(reason)
    with run_postgres() as server:
        yield server


@pytest.fixture
def catalog(postgres, request):
    """A catalogue of the test's own, as the settings name it."""
    name = f"t{abs(hash(request.node.nodeid))}"
    yield postgres.address(name)
    postgres.ask(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def object_store():
    """An S3 server."""
    if reason := why_no_object_store():
        pytest.skip(reason)
    with run_object_store() as server:
        yield server


@pytest.fixture
def storage(object_store, request, monkeypatch):
    """A place of the test's own in an object store, whose keys are in the environment."""
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    return object_store.storage(f"t{abs(hash(request.node.nodeid))}")
