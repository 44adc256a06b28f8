"""How the registered model is to be served, by the settings."""

import re
from dataclasses import asdict
from typing import Any

from fan_model.drawing.artist import DrawingOptions
from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.service.deployment import Deployment
from flows.settings import Settings
from flows.workspace import Workspace

PASSWORD = re.compile(r"\s*\bpassword\s*=\s*('[^']*'|\S+)", re.IGNORECASE)


def deployment(settings: Settings, crowd: Crowd = NOBODY) -> Deployment:
    """Write the settings in the model's words, with the workspace to look stored profiles up in.

    Args:
        settings: of nights and services alike.
        crowd: what pictures are contrasted with, if no request says otherwise.
    """
    serving = settings.serving
    return Deployment(
        device=settings.model.device,
        cache_bytes=serving.cache_bytes,
        max_queued_pictures=serving.max_queued_pictures,
        max_wait_seconds=serving.max_wait_seconds,
        options=drawing_options(settings, num_references=settings.profile.max_references, crowd=crowd),
        limits=serving.limits,
        text_filter=_text_filter(settings),
        stored_profiles={
            "factory": "feature_store.tables.stored_profiles:StoredProfiles",
            "folder": str(Workspace(settings.workspace).lake),
            # The registry is for many eyes: a password comes from PGPASSWORD or ~/.pgpass.
            "catalog": settings.catalog and PASSWORD.sub("", settings.catalog),
        },
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
