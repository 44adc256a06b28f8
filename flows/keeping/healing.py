"""Healing: what is damaged and can be made anew, or was a report, is deleted."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from feature_store.upkeep.inventory import UnreadableInventoryError
from flows.keeping.kept_files import kind_of, open_inventory
from flows.model.champion import tracking_uri
from flows.settings import Settings
from flows.workspace import Workspace

MADE_WHOLE = ("features", "backfills")
"""Folders whose parts are of no use one without the other."""
MODELS = "mlflow/artifacts/fan-artwork/models/"


def delete_damaged(settings: Settings) -> int:
    """Delete the damaged files that `fan maintain` is the remedy for; return their number.

    Of registered models, only versions go that the settings' alias does not name. A damaged inventory is
    begun anew.
    """
    workspace = Workspace(settings.workspace)
    inventory = open_inventory(workspace.root)
    try:
        damaged = inventory.inspect(()).damaged
    except UnreadableInventoryError:
        inventory.begin_anew()
        return 0
    deletable = [name for name in damaged if kind_of(name).deletable]
    for name in deletable:
        _delete(workspace.root, name)
    deleted = deletable + _delete_versions(settings, workspace.root, damaged)
    inventory.strike_out(deleted)
    return len(deleted)


def _delete(root: Path, name: str) -> None:
    top, part, *_ = Path(name).parts
    if top in MADE_WHOLE:
        shutil.rmtree(root / top if top == "features" else root / top / part, ignore_errors=True)
    else:
        (root / name).unlink(missing_ok=True)


def _delete_versions(settings: Settings, root: Path, damaged: Sequence[str]) -> list[str]:
    """Delete the damaged versions of the registered model that no night draws with any more."""
    names = [name for name in damaged if name.startswith(MODELS)]
    if not names:
        return []
    client, model = MlflowClient(tracking_uri(settings)), settings.model.name
    in_use = _model_in_use(client, settings)
    gone = [name for name in names if _model_of(name) != in_use]
    for version in client.search_model_versions(f"name = '{model}'"):
        if version.model_id in {_model_of(name) for name in gone}:
            client.delete_model_version(model, version.version)
    for name in gone:
        shutil.rmtree(root / MODELS / _model_of(name), ignore_errors=True)
    return gone


def _model_in_use(client: MlflowClient, settings: Settings) -> str | None:
    try:
        version = client.get_model_version_by_alias(settings.model.name, settings.model.alias)
    except MlflowException:
        return None
    return str(version.model_id)


def _model_of(name: str) -> str:
    """The id of the model that a file belongs to."""
    return name.removeprefix(MODELS).partition("/")[0]
