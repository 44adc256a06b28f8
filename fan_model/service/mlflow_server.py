"""The service in MLflow's scoring server, `mlflow models serve`: its command, and our application.

MLflow's own handler drops params that it does not know, refuses whole numbers where numbers are meant, puts
stack traces and the caller's texts into its errors, breaks base64 into lines, lets any number of requests
wait, and draws each of them alone. So our application is served in place of MLflow's, or none is.

MLflow has no setting for it, Python has: uvicorn imports the module `SERVER_MODULE` and serves its `app`, and
what an import returns is what `sys.modules` holds when the module's code has run. That code loads the model,
so the model puts a module with our application there. Nothing has to wait for anything: the port is opened by
whom this import gives the application to. A server that works otherwise is not let start.
"""

import inspect
import os
import sys
from dataclasses import replace
from types import ModuleType

from fastapi import FastAPI
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT

from fan_model.drawing.artist import Artist
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.deployment import Deployment
from fan_model.service.request_log import open_log

SERVER_PACKAGE = "mlflow.pyfunc.scoring_server"
SERVER_MODULE = f"{SERVER_PACKAGE}.app"
MODEL_VARIABLE = "__pyfunc_model_path__"
"""The variable in which MLflow tells its server which model to load."""


class ScoringServerError(RuntimeError):
    """This version of MLflow serves models in another way."""


def answer_in_scoring_server(artist: Artist, deployment: Deployment) -> None:
    """Serve our application, if this process is MLflow's scoring server; else do nothing.

    Raises:
        ScoringServerError: It is, and it would serve an application of its own.
    """
    if not _in_scoring_server():
        return
    open_log()
    take_the_place(build_application(ArtworkService(artist, keep_time_limit(deployment))))


def keep_time_limit(deployment: Deployment) -> Deployment:
    """Let no caller wait longer than the server's own limit (`--timeout`)."""
    seconds = float(MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get())
    return replace(deployment, max_wait_seconds=min(deployment.max_wait_seconds, seconds))


def take_the_place(application: FastAPI) -> None:
    """Let the import of MLflow's server, which is under way, return a module with this application.

    Raises:
        ScoringServerError: It is not under way.
    """
    original = sys.modules.get(SERVER_MODULE)
    if original is None or hasattr(original, "app"):
        raise ScoringServerError(
            f"MLflow does not load the model while it imports {SERVER_MODULE}, as versions known to work do: "
            "its own handler would answer, without limits. Serve the model with `fan serve`"
        )
    ours = ModuleType(SERVER_MODULE, original.__doc__)
    ours.__spec__ = original.__spec__
    ours.app = application  # type: ignore[attr-defined]
    sys.modules[SERVER_MODULE] = ours


def _in_scoring_server() -> bool:
    """Whether MLflow says so, or its server's code is what an HTTP server is running now."""
    callers = {frame.frame.f_globals.get("__name__", "") for frame in inspect.stack(0)}
    served = any(name.startswith("uvicorn") for name in callers) and any(
        name.startswith(SERVER_PACKAGE) for name in callers
    )
    return MODEL_VARIABLE in os.environ or served
