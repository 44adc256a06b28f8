"""Preference-aware personalization inside the text encoder, and the pictures drawn with it.

    from fan_model import Personalizer

Names are imported when they are first asked for: nothing here needs the engines of a night or of a service.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fan_model.drawing.artist import Artist, Artwork
    from fan_model.drawing.fingerprints import artwork_digest
    from fan_model.drawing.limits import RequestLimits
    from fan_model.drawing.personalizer import Personalizer
    from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, PictureOptions
    from fan_model.image_references.image_parts import ImageParts
    from fan_model.image_references.image_profile import ImageProfile
    from fan_model.method.image_personalization import ImagePersonalization
    from fan_model.method.personalization import Personalization
    from fan_model.method.selection_policy import SelectionPolicy
    from fan_model.method.taste import Taste, blend_tastes, group_taste, style_taste, with_house_style
    from fan_model.request_errors import RequestError
    from fan_model.retrieval.clip import Clip
    from fan_model.retrieval.clip_features import FeatureEncoder

__all__ = [
    "Artist",
    "Artwork",
    "ArtworkRequest",
    "Clip",
    "DrawingOptions",
    "FeatureEncoder",
    "ImageParts",
    "ImagePersonalization",
    "ImageProfile",
    "Personalization",
    "Personalizer",
    "PictureOptions",
    "RequestError",
    "RequestLimits",
    "SelectionPolicy",
    "Taste",
    "artwork_digest",
    "blend_tastes",
    "group_taste",
    "style_taste",
    "with_house_style",
]

HOMES = {
    "fan_model.drawing.artist": ("Artist", "Artwork"),
    "fan_model.drawing.fingerprints": ("artwork_digest",),
    "fan_model.drawing.limits": ("RequestLimits",),
    "fan_model.drawing.personalizer": ("Personalizer",),
    "fan_model.drawing.requests": ("ArtworkRequest", "DrawingOptions", "PictureOptions"),
    "fan_model.image_references.image_parts": ("ImageParts",),
    "fan_model.image_references.image_profile": ("ImageProfile",),
    "fan_model.method.image_personalization": ("ImagePersonalization",),
    "fan_model.method.personalization": ("Personalization",),
    "fan_model.method.selection_policy": ("SelectionPolicy",),
    "fan_model.method.taste": ("Taste", "blend_tastes", "group_taste", "style_taste", "with_house_style"),
    "fan_model.request_errors": ("RequestError",),
    "fan_model.retrieval.clip": ("Clip",),
    "fan_model.retrieval.clip_features": ("FeatureEncoder",),
}
"""Modules that are imported when one of their names is first asked for."""


def __getattr__(name: str) -> object:
    for home, names in HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"fan_model has no {name}: it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
