"""What every test needs: an environment prepared before any library is imported, and no network."""

import os
import tempfile
from pathlib import Path

from flows.environment import prepare_environment

prepare_environment(Path(tempfile.mkdtemp(prefix="fan-prefect-")))
os.environ["HF_HUB_OFFLINE"] = "1"
for variable in [name for name in os.environ if name.startswith("FAN_") and name != "FAN_PARITY_DIR"]:
    del os.environ[variable]
