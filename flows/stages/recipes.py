"""Recipes: digests of the settings that a stored row depends on.

A row whose recipe is not today's is made anew, and nothing else is: alpha belongs to the pictures alone, the
fraction of references to the profiles (and, through their digests, to the pictures).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from fan_model.drawing.text_filter import DEFAULT_TEXT_FILTER
from feature_store.tables.item_pictures.reference_pictures import CrowdPicture
from flows.settings import Settings


def targets_recipe(settings: Settings) -> str:
    """Digest what made targets depend on."""
    return _digest(settings.targets.model_dump(), settings.seed)


def crowd_recipe(settings: Settings, encoder_fingerprint: str) -> str:
    """Digest what the crowd depends on, beside the population."""
    size, least_users = settings.crowd.size, settings.crowd.least_users
    return _digest(settings.texts.model_dump(), size, least_users, encoder_fingerprint)


def profile_recipe(settings: Settings, encoder_fingerprint: str, crowd_id: str | None = None) -> str:
    """Digest what profiles depend on; the crowd is a part of it where it is looked at."""
    crowd = crowd_id if settings.profile.distinctive else None
    pictured = ("pictured",) if settings.images.takes_images else ()
    profiled = settings.model_dump(include={"profile", "texts"})
    return _digest(profiled, encoder_fingerprint, crowd, *pictured)


def drawing_recipe(
    settings: Settings,
    pipeline_fingerprint: str,
    crowd_id: str | None = None,
    crowd_pictures: Sequence[CrowdPicture] = (),
) -> str:
    """Digest what pictures depend on, beside their profiles; the crowd where it is contrasted with."""
    blocked = settings.safety.blocklist.read_text(encoding="utf-8") if settings.safety.blocklist else ""
    crowd = crowd_id if settings.drawing.contrast else None
    drawn = settings.model_dump(include={"drawing"})
    start, text_filter = settings.start.strength, settings.safety.text_filter
    # What few settings say is left out where they do not, so that pictures made before they could stay.
    started = () if start is None else (start,)
    filtered = () if text_filter == DEFAULT_TEXT_FILTER else (text_filter,)
    pictured = _pictured(settings, crowd_pictures)
    return _digest(drawn, settings.seed, pipeline_fingerprint, blocked, crowd, *started, *filtered, *pictured)


def _pictured(settings: Settings, crowd_pictures: Sequence[CrowdPicture]) -> tuple[object, ...]:
    """What of pictures as references artworks depend on; nothing where none act."""
    if not settings.images.takes_images:
        return ()
    contrasted = [(one.sha256, one.weight) for one in crowd_pictures]
    return (asdict(settings.images.kinds), asdict(settings.images.how), contrasted)


def evaluation_recipe(settings: Settings, pipeline_fingerprint: str) -> str:
    """Digest what the results of an evaluation depend on, beside the data."""
    sections = settings.model_dump(include={"evaluation", "drawing", "profile", "crowd", "texts"})
    return _digest(sections, settings.seed, pipeline_fingerprint)


def item_seed(settings: Settings, item_id: str) -> int:
    """Derive the seed of an item's pictures from the settings' seed.

    All users' pictures of one item start from the same noise, so that what differs between them is their
    taste, and the plain picture beside them is drawn once.
    """
    digest = hashlib.sha256(f"{settings.seed}\x1f{item_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
