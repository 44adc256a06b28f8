"""What every test needs: an environment prepared before any library is imported, and no network."""

import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

from feature_store.lake import lake
from flows.environment import prepare_environment

QUICK_LAKES = {"threads": "1", "allow_unsigned_extensions": "true"}
"""Tests open a thousand lakes of a few rows: a second thread triples the processor time of each query on
them, and a check of the extensions' signatures costs as much as the rest of opening a lake. Lakes in
processes of their own, as in `flows/test_crash.py`, have both."""

KEPT_LAKE = "EMPTY_LAKE_OF_TESTS"
"""Variable with the folder of an empty lake that several runs of the tests share; it is made by the first."""

# No test fails because the machine is slow, least of all on a fresh clone, where tables are built first.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

# One worker has one core; a second thread of torch's would only wait for it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
_prefect_home = tempfile.TemporaryDirectory(prefix="fan-prefect-", ignore_cleanup_errors=True)
prepare_environment(Path(_prefect_home.name))
lake.OPTIONS |= QUICK_LAKES
os.environ["HF_HUB_OFFLINE"] = "1"
for variable in [name for name in os.environ if name.startswith("FAN_") and name != "FAN_PARITY_DIR"]:
    del os.environ[variable]


TOGETHER = {"prefect_server": "Prefect's server", "server": "both servers of the model"}
"""What takes long to start: one worker has all the tests with such a fixture, and starts it once."""
SLOW_FIRST = ("tests/flows/", "tests/fan_model/", "tests/feature_store/")
"""Folders in the order of their shares of the time, so that no worker is left with a long file at the end."""


def pytest_collection_modifyitems(config, items):
    """Share the tests out to workers by file, the slow ones first (`--dist loadgroup`)."""
    folders = {folder: place for place, folder in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: min([folders[one] for one in folders if one in item.nodeid], default=9))
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            file = item.nodeid.partition("::")[0]
            shared = [group for fixture, group in TOGETHER.items() if fixture in item.fixturenames]
            item.add_marker(pytest.mark.xdist_group((shared or [file])[0]))


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory):
    """The folder of a lake with its tables and nothing in them, made once to be copied."""
    folder = Path(os.environ.get(KEPT_LAKE) or tmp_path_factory.mktemp("template") / "lake")
    if not folder.exists():
        lake.Lake(folder).close()
    return folder
