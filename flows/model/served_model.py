"""How the registered model is to be served, by the settings."""

from dataclasses import asdict, replace
from typing import Any

from fan_model.drawing.artist import DrawingOptions
from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.service.deployment import Deployment
from feature_store.schemas.addresses import without_secrets
from flows.settings import Settings
from flows.workspace import Workspace


def deployment(settings: Settings, crowd: Crowd = NOBODY) -> Deployment:
    """Write the settings in the model's words, with the workspace to look stored profiles and pictures up in.

    Args:
        settings: of nights and services alike.
        crowd: what pictures are contrasted with, if no request says otherwise.
    """
    serving = settings.serving
    lake = {
        "folder": str(Workspace(settings.workspace).lake),
        "catalog": settings.catalog,
        **({"storage": settings.storage} if settings.storage else {}),
    }
    return Deployment(
        execution=settings.model.execution,
        images=settings.images.input,
        batch_memory=str(Workspace(settings.workspace).batch_sizes),
        cache_bytes=serving.cache_bytes,
        max_queued_pictures=serving.max_queued_pictures,
        max_wait_seconds=serving.max_wait_seconds,
        tokens_file=str(serving.tokens_file) if serving.tokens_file else None,
        caller_header=serving.caller_header,
        options=drawing_options(settings, num_references=settings.profile.max_references, crowd=crowd),
        limits=serving.limits,
        text_filter=_text_filter(settings),
        stored_profiles={"factory": "feature_store.tables.stored_profiles:StoredProfiles", **lake},
        stored_pictures={
            "factory": "feature_store.tables.stored_pictures:StoredPictures",
            "files": str(settings.workspace),
            **lake,
        },
    )


def registered_deployment(settings: Settings) -> Deployment:
    """Write the settings for the registry, which is for many eyes.

    A process that is not told the settings takes the catalogue's password from PGPASSWORD or ~/.pgpass.
    """
    told = deployment(settings)
    catalog = {"catalog": settings.catalog and without_secrets(settings.catalog)}
    return replace(
        told,
        stored_profiles={**(told.stored_profiles or {}), **catalog},
        stored_pictures={**(told.stored_pictures or {}), **catalog},
    )


def drawing_options(
    settings: Settings, *, num_references: int | None, crowd: Crowd = NOBODY
) -> DrawingOptions:
    """Write the settings of drawing in the model's words; None keeps all references."""
    return DrawingOptions(
        **asdict(settings.drawing),
        num_references=num_references,
        crowd=crowd.texts,
        crowd_weights=crowd.weights,
    )


def _text_filter(settings: Settings) -> dict[str, Any]:
    blocklist = settings.safety.blocklist
    file = {"file": str(blocklist)} if blocklist else {}
    return {"factory": settings.safety.text_filter, **file}
