"""What every test needs: an environment prepared before any library is imported, and no network."""

import os
import tempfile
from pathlib import Path

import hypothesis

from flows.environment import prepare_environment

# No test fails because the machine is slow, least of all on a fresh clone, where tables are built first.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

_prefect_home = tempfile.TemporaryDirectory(prefix="fan-prefect-", ignore_cleanup_errors=True)
prepare_environment(Path(_prefect_home.name))
os.environ["HF_HUB_OFFLINE"] = "1"
for variable in [name for name in os.environ if name.startswith("FAN_") and name != "FAN_PARITY_DIR"]:
    del os.environ[variable]
