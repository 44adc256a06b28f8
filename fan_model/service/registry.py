"""The artist in MLflow's registry: loaded by name, and answerable for its weights."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType, Array

from fan_model.drawing.fields import Allowed, public_names, read_fields
from fan_model.drawing.requests import DrawingOptions
from fan_model.encoders.families import refuse_picture_needs
from fan_model.loading.pipeline_files import PipelineFiles, encoder_fingerprint, pipeline_fingerprint
from fan_model.loading.pipelines import find_pipeline
from fan_model.service.deployment import Deployment

MEBIBYTE = 2**20
IN_PARTS = {"execution", "options", "limits"}
"""Fields of a deployment that have fields of their own."""
DEPLOYMENT = Deployment()
DATA_TYPES = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
"""What MLflow calls the types of options."""

INPUTS = Schema(
    [
        ColSpec(DataType.string, "prompt"),
        ColSpec(Array(DataType.string), "references", required=False),
        # MLflow refuses whole numbers where doubles are meant, and a column of longs with a gap: the model
        # itself checks that these are doubles and longs.
        ColSpec(Array(AnyType()), "weights", required=False),
        ColSpec(DataType.string, "user_id", required=False),
        ColSpec(AnyType(), "seed", required=False),
    ]
)
OUTPUTS = Schema(
    [
        ColSpec(DataType.binary, "image"),
        ColSpec(DataType.string, "mime_type"),
        ColSpec(Array(DataType.string), "references_used"),
        ColSpec(Array(DataType.double), "weights_used"),
        ColSpec(DataType.string, "artwork_digest"),
        ColSpec(DataType.long, "seed"),
        ColSpec(DataType.boolean, "flagged"),
        ColSpec(DataType.string, "taste"),
        ColSpec(DataType.long, "unread_tokens"),
    ]
)
INPUT_EXAMPLE = pd.DataFrame(
    {
        "prompt": ["adventure film poster"],
        "references": [["romance film poster, pastel, watercolor", "romantic comedy poster, pastel colors"]],
        "weights": [[2.0, 1.0]],
        "seed": [7],
    }
)


def register_artist(
    pipeline: str | Path,
    *,
    name: str = "fan-artwork",
    alias: str = "champion",
    revision: str | None = None,
    tracking_uri: str | None = None,
    experiment: str = "fan-artwork",
    artifact_location: str | None = None,
    max_carried_bytes: int = 64 * MEBIBYTE,
    deployment: Deployment = DEPLOYMENT,
    gives_pictures: bool = False,
) -> ModelVersion:
    """Register a pipeline under a name and let an alias point to it.

    A pipeline of at most `max_carried_bytes` is carried inside the model. A larger one is recorded by its
    place (a folder, or an id and commit on the hub). Either way loading verifies the checksum of each file.

    Args:
        pipeline: A local folder, a single `.safetensors` file, or an id on the Hugging Face hub.
        name: Name in the registry.
        alias: Alias that will point to the new version.
        revision: Branch, tag or commit on the hub.
        tracking_uri: MLflow's database or server; the process's current one if not given.
        experiment: Experiment that the run belongs to, made if missing.
        artifact_location: Where a new experiment keeps its files.
        max_carried_bytes: Above this, weights are not copied.
        deployment: How the model is to be run, unless a process loads it otherwise.
        gives_pictures: Whether whoever draws with it gives pictures of its targets.

    Raises:
        PipelineError: It is not there, or its weights are pickled.
        UnsupportedPipelineError: It cannot be drawn with.
    """
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    files = find_pipeline(pipeline, revision, deployment.execution.configs)
    if not gives_pictures:
        refuse_picture_needs(files.family)  # before anything is copied
    carried = files.checkpoint is None and files.num_bytes <= max_carried_bytes
    checksums = files.checksums()
    place = _place(pipeline, files, carried=carried)
    version = importlib.metadata.version("fan-artwork")
    with mlflow.start_run(experiment_id=_experiment_id(experiment, artifact_location), run_name=name):
        info = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={"pipeline": str(files.folder)} if carried else None,
            model_config={**place, "checksums": checksums, **deployment.to_config()},
            signature=ModelSignature(INPUTS, OUTPUTS, params_schema(deployment.options)),
            input_example=_example(files, carried=carried),
            pip_requirements=[f"fan-artwork[serve]=={version}"],
            registered_model_name=name,
        )
    fingerprints = {
        "pipeline_fingerprint": pipeline_fingerprint(checksums),
        "encoder_fingerprint": encoder_fingerprint(checksums),
    }
    tags = {**place, **fingerprints, "fan_artwork": version}
    return _point_alias(name, alias, info.registered_model_version, tags)


def _example(files: PipelineFiles, *, carried: bool) -> pd.DataFrame | None:
    """What MLflow tries on the model that it has just logged, and loads all of it for that."""
    return INPUT_EXAMPLE if carried and not files.family.needs_picture else None


def params_schema(defaults: DrawingOptions) -> ParamSchema:
    """The params that callers may give, with those that hold where they do not."""
    names, kinds = public_names(DrawingOptions), read_fields(DrawingOptions)
    return ParamSchema([_param(names[name], kinds[name], getattr(defaults, name)) for name in kinds])


def _param(name: str, allowed: Allowed, default: object) -> ParamSpec:
    if allowed.item is None:
        return ParamSpec(name, DATA_TYPES[allowed.kind], default)
    return ParamSpec(name, DATA_TYPES[allowed.item.kind], list(cast("tuple[object]", default)), shape=(-1,))


def load_artist(
    uri: str = "models:/fan-artwork@champion", *, tracking_uri: str | None = None, **model_config: object
) -> mlflow.pyfunc.PyFuncModel:
    """Load the registered model; `.unwrap_python_model().artist` is its `Artist`.

    Args:
        uri: Where it is registered.
        tracking_uri: MLflow's database or server; the process's current one if not given.
        **model_config: Fields of `Deployment` that this process wants otherwise; of execution, options and
            limits those that are named, the others stay as they were registered.
    """
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    return mlflow.pyfunc.load_model(uri, model_config=_changed(uri, model_config) or None)


def _changed(uri: str, wanted: Mapping[str, object]) -> dict[str, object]:
    """What is wanted, with the registered fields of what is changed in part: MLflow would drop them."""
    parts = {name: value for name, value in wanted.items() if name in IN_PARTS and isinstance(value, Mapping)}
    if not parts:
        return dict(wanted)
    registered = mlflow.models.get_model_info(uri).flavors["python_function"]["config"]
    return {**wanted, **{name: {**registered.get(name, {}), **value} for name, value in parts.items()}}


def _place(pipeline: str | Path, files: PipelineFiles, *, carried: bool) -> dict[str, str | None]:
    """Where loading finds the pipeline: its path, or an id on the hub and a commit; a branch may move on."""
    if carried:
        return {"pipeline": None, "revision": None}
    if Path(pipeline).exists():
        return {"pipeline": str(Path(pipeline).resolve()), "revision": None}
    return {"pipeline": str(pipeline), "revision": files.folder.name}


def _experiment_id(name: str, artifact_location: str | None) -> str:
    found = mlflow.get_experiment_by_name(name)
    return (
        found.experiment_id if found else mlflow.create_experiment(name, artifact_location=artifact_location)
    )


def _point_alias(name: str, alias: str, version: str, tags: dict[str, str | None]) -> ModelVersion:
    client = mlflow.MlflowClient()
    for key, value in tags.items():
        if value is not None:
            client.set_model_version_tag(name, version, key, value)
    client.set_registered_model_alias(name, alias, version)
    return client.get_model_version_by_alias(name, alias)
