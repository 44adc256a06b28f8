"""The registered model: registered by the first night, loaded once per process."""

import functools
import json
import logging
import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
from filelock import BaseFileLock, FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from fan_model.bundled import PIPELINE_FOLDER
from fan_model.drawing.artist import Artist
from fan_model.request_errors import RequestError
from fan_model.service.registry import load_artist, register_artist
from feature_store.lake.durable_files import name_aside
from flows.environment import keep_kernels, quiet_libraries
from flows.keeping.sealing import seal
from flows.model.served_model import deployment, drawing_options, registered_deployment
from flows.settings import BUNDLED_PIPELINE, Settings
from flows.settings_section import SettingsError
from flows.workspace import open_workspace

logger = logging.getLogger(__name__)

REGISTRY_EXPERIMENT = "fan-artwork"
LOGGED = "models:/"
"""How MLflow names a model by its id."""
SQLITE = "sqlite:///"
"""How the address of a SQLite file begins."""
REGISTRY_TIMEOUT_SECONDS = 600.0
NIGHTLY_CACHE_BYTES = 2**30
"""Memory of the nightly for recorded references; it has the machine to itself, the service has not."""


class UnknownModelError(LookupError):
    """No version of the registered model has the alias."""


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where a registered model is, for any process to load it from."""

    uri: str
    version: str
    """Its version in the registry."""
    tracking_uri: str | None
    """Of the registry, where `uri` is a name in it."""
    config: str
    """What holds of its deployment, as JSON."""


@dataclass(frozen=True)
class Champion:
    """The registered model that the nightly draws with."""

    source: ModelSource
    model: Any
    """The MLflow model: `predict(rows, params)` draws."""

    @property
    def version(self) -> str:
        """Its version in the registry."""
        return self.source.version

    @property
    def artist(self) -> Artist:
        """The model's own artist, for its text encoder."""
        return self.model.unwrap_python_model().artist


def configure_mlflow(settings: Settings, experiment: str) -> None:
    """Point MLflow at the settings' registry, and make `experiment` the active one."""
    quiet_libraries()
    uri = tracking_uri(settings)
    with _hold_registry(uri):
        _make_database(uri)
        mlflow.set_tracking_uri(uri)
        if mlflow.get_experiment_by_name(experiment) is None:
            location = _artifact_location(settings, uri, experiment)
            mlflow.create_experiment(experiment, artifact_location=location)
    mlflow.set_experiment(experiment)


def _hold_registry(uri: str) -> BaseFileLock | nullcontext[None]:
    """Keep others from making the same database, experiment or first version; a server has its own care."""
    if not uri.startswith(SQLITE):
        return nullcontext()
    file = Path(uri.removeprefix(SQLITE))
    return FileLock(file.with_name(f"{file.name}.lock"), timeout=REGISTRY_TIMEOUT_SECONDS)


def _make_database(uri: str) -> None:
    """Make MLflow's SQLite file whole or not at all: killed among its tables, it would never open again."""
    file = Path(uri.removeprefix(SQLITE))
    if not uri.startswith(SQLITE) or file.exists():
        return
    aside = name_aside(file)
    aside.unlink(missing_ok=True)
    MlflowClient(f"{SQLITE}{aside}").search_experiments(max_results=1)
    os.replace(aside, file)


def tracking_uri(settings: Settings) -> str:
    """Return MLflow's address: the settings', or a SQLite file in the workspace."""
    workspace = open_workspace(settings)
    workspace.mlflow.mkdir(exist_ok=True)
    return settings.model.tracking_uri or workspace.tracking_uri


def _artifact_location(settings: Settings, uri: str, experiment: str) -> str | None:
    """Keep artifacts in the object store, or beside a SQLite file; a server of HTTP has a place for them."""
    if settings.storage and not uri.startswith("http"):
        return f"{settings.storage}/mlflow/artifacts/{experiment}"
    if not uri.startswith(SQLITE):
        return None
    return (Path(uri.removeprefix(SQLITE)).parent / "artifacts" / experiment).as_uri()


def register(settings: Settings) -> str:
    """Register the settings' pipeline as a new version, and let the alias name it; return the version."""
    configure_mlflow(settings, REGISTRY_EXPERIMENT)
    with _hold_registry(tracking_uri(settings)):
        return _register(settings)


def _register(settings: Settings) -> str:
    model = settings.model
    version = register_artist(
        pipeline_source(settings),
        name=model.name,
        alias=model.alias,
        revision=model.revision,
        experiment=REGISTRY_EXPERIMENT,
        deployment=registered_deployment(settings),
        gives_pictures=settings.images.takes_images,
    ).version
    seal(settings, "mlflow/")
    logger.info("registered %s version %s as %s", model.name, version, model.alias)
    return str(version)


def require_alias(settings: Settings) -> None:
    """Make sure that the settings' alias names a registered version.

    Raises:
        UnknownModelError: if it does not.
    """
    configure_mlflow(settings, REGISTRY_EXPERIMENT)
    model = settings.model
    try:
        MlflowClient().get_model_version_by_alias(model.name, model.alias)
    except MlflowException as error:
        raise UnknownModelError(
            f"no model is registered as {model.name}@{model.alias}: register the settings' pipeline so with "
            f"FAN_MODEL__ALIAS={model.alias} fan register"
        ) from error


def load_champion(settings: Settings, *, cache_bytes: int = NIGHTLY_CACHE_BYTES) -> Champion:
    """Load the model that the alias names; the first time, register the settings' pipeline.

    Args:
        settings: What holds of the model's deployment, whatever was registered with it.
        cache_bytes: Memory that recorded references may take.

    Raises:
        SettingsError: The model cannot draw as the settings say.
    """
    configure_mlflow(settings, REGISTRY_EXPERIMENT)
    model = settings.model
    with _hold_registry(tracking_uri(settings)):
        try:
            version = MlflowClient().get_model_version_by_alias(model.name, model.alias).version
        except MlflowException:
            version = _register(settings)
    if model.compile:
        keep_kernels(open_workspace(settings).compiled)
    # A night looks nobody's profile up through the model, and its machines need not know the catalogue.
    told = replace(deployment(settings), stored_profiles=None, cache_bytes=cache_bytes)
    config = told.to_config()
    champion = load_source(_source(settings, str(version), json.dumps(config)))
    _check_drawing(settings, champion.artist)
    return champion


def _check_drawing(settings: Settings, artist: Artist) -> None:
    """See, before any picture is begun, that all of them can be drawn so."""
    try:
        artist.check([], drawing_options(settings, num_references=None))
    except RequestError as error:
        raise SettingsError(
            f"[drawing] of the settings, with {settings.model.name}@{settings.model.alias}: {error}"
        ) from error


def _source(settings: Settings, version: str, config: str) -> ModelSource:
    """Say where a version is: by its name, or if the registry is a file of this machine, by its address."""
    uri, tracking = f"models:/{settings.model.name}/{version}", mlflow.get_tracking_uri()
    if settings.storage and not settings.model.tracking_uri:
        client = MlflowClient()
        logged = str(client.get_model_version(settings.model.name, version).source)
        if logged.startswith(LOGGED):
            logged = client.get_logged_model(logged.removeprefix(LOGGED)).artifact_location
        uri, tracking = logged, None
    return ModelSource(uri=uri, version=version, tracking_uri=tracking, config=config)


def pipeline_source(settings: Settings) -> str | Path:
    """Return the folder or the hub id of the settings' pipeline."""
    if settings.model.pipeline == BUNDLED_PIPELINE:
        return PIPELINE_FOLDER
    folder = Path(settings.model.pipeline)
    return folder if folder.exists() else settings.model.pipeline


@functools.lru_cache(maxsize=1)
def load_source(source: ModelSource) -> Champion:
    """Load a registered model, once per process."""
    quiet_libraries()
    config = json.loads(source.config)
    return Champion(source, load_artist(source.uri, tracking_uri=source.tracking_uri, **config))
