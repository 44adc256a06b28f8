"""What must be in the environment before the libraries are imported, where the caller has not set it."""

import logging
import os
import warnings
from pathlib import Path

NO_TELEMETRY_OF_MLFLOW = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
NO_TELEMETRY_OF_PREFECT = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
}
"""Nothing here calls home, so a night without a network is a quiet one, and nobody learns of it."""
DEFAULTS = {
    # A waiting OpenMP thread must not spin long: beside a busy neighbour that slows drawing fifty times.
    # It must spin a little: waking it for each small product would double the time of a single picture.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "10000",
    "OPENBLAS_NUM_THREADS": "1",
    **NO_TELEMETRY_OF_MLFLOW,
    **NO_TELEMETRY_OF_PREFECT,
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # An error reaches the terminal once, from the command line itself; Prefect keeps its own record of it.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}


def prepare_environment(prefect_home: Path) -> None:
    """Set what the caller has left open; without a configured server, Prefect remembers in `prefect_home`."""
    for variable, value in (DEFAULTS | {"PREFECT_HOME": str(prefect_home)}).items():
        os.environ.setdefault(variable, value)
    warnings.filterwarnings("ignore", category=FutureWarning)


def keep_kernels(folder: Path) -> None:
    """Let torch keep what it compiles in a folder, if nobody has named another."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))


def quiet_libraries() -> None:
    """Leave the terminal to the stages' own progress bars; warnings and errors still show."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It tells of every failure at length before raising it; the command line tells it in one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
