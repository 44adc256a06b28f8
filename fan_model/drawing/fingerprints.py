"""The digest of a picture: a name for all that it is made of, which never changes silently."""

import hashlib
import json
from typing import Any

from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, describe


def artwork_digest(request: ArtworkRequest, options: DrawingOptions, pipeline_fingerprint: str) -> str:
    """Digest (hex) of everything that a picture is made of: the same digest is the same picture.

    `request` holds the references that are used. Their order, and a common factor of their weights, do not
    matter.
    """
    made_of: dict[str, Any] = {**describe(request, options), "pipeline_fingerprint": pipeline_fingerprint}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
