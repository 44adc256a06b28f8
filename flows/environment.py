"""What must be in the environment before the libraries are imported, where the caller has not set it."""

import os
import warnings
from pathlib import Path

DEFAULTS = {
    # A waiting OpenMP thread must not spin: beside a busy neighbour that slows drawing fifty times.
    "OMP_WAIT_POLICY": "passive",
    "OPENBLAS_NUM_THREADS": "1",
    # Nothing here calls home, so a night without a network is a quiet one.
    "DO_NOT_TRACK": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
}


def prepare_environment(prefect_home: Path) -> None:
    """Set what the caller has left open; Prefect's own memory goes to `prefect_home` if no server is configured."""
    for variable, value in (DEFAULTS | {"PREFECT_HOME": str(prefect_home)}).items():
        os.environ.setdefault(variable, value)
    warnings.filterwarnings("ignore", category=FutureWarning)
