"""Retrieval by an image: it takes on the artwork of what a user likes, where items have their own artwork."""

import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image

from fan_model.retrieval.clip_features import blend_features
from feature_store.history.tastes import LikedArtwork, read_liked_artwork
from feature_store.lake.lake import Lake
from flows.questions.search import Hit, SearchError, find_items, load_features, personalization
from flows.settings import Settings
from flows.workspace import open_lake

logger = logging.getLogger(__name__)

MAX_ARTWORKS = 200
"""Of the most liked items; each is read and encoded for every search."""

WeightedImages = tuple[list[Image.Image], list[float]]


def search_by_image(
    settings: Settings, user_id: str, image: Path, *, num_hits: int, alpha: float | None = None
) -> list[Hit]:
    """Find items for an image in a user's taste: its references are the artwork of liked items.

    Args:
        settings: where the lake is, and how the image is personalized.
        user_id: whose taste.
        image: the file that is searched for.
        num_hits: items to return, the most similar first.
        alpha: degree of personalization; that of the settings' search if not given, 0 for the image alone.

    Raises:
        SearchError: if the image cannot be read, the user likes no item with artwork that can be, or there
            is nothing to search with or in.
    """
    lake = open_lake(settings, read_only=True)
    target = _read_image(str(image))
    if target is None:
        raise SearchError(f"{image} is no image that can be read: name a PNG, JPEG or WebP file")
    references, weights = _read_artworks(lake, user_id)
    encoder = load_features(settings)
    how = personalization(settings, alpha)
    if settings.search.method == "mean":
        features = encoder.encode_images([target, *references])
        feature = blend_features(features[:1], features[1:], weights, how.alpha)
    else:
        chosen = encoder.select_images(target, references, weights, settings.profile)
        liked = [references[place] for place in chosen], [weights[place] for place in chosen]
        feature = encoder.personalize_image_feature(target, *liked, how)
    return find_items(settings, lake, encoder, feature, num_hits)


def _read_artworks(lake: Lake, user_id: str) -> WeightedImages:
    artworks = read_liked_artwork(lake, user_id, limit=MAX_ARTWORKS)
    read = [(_read_image(artwork.uri), artwork.weight) for artwork in artworks]
    readable = [(image, weight) for image, weight in read if image is not None]
    if not readable:
        raise SearchError(_nothing_readable(user_id, artworks))
    if len(readable) < len(artworks):
        logger.warning("%d of %d artworks cannot be read", len(artworks) - len(readable), len(artworks))
    return [image for image, _ in readable], [weight for _, weight in readable]


def _nothing_readable(user_id: str, artworks: Sequence[LikedArtwork]) -> str:
    found = f"none of {len(artworks)} artworks can be read" if artworks else "no liked item has artwork"
    return (
        f"user {user_id}: {found}; name the column of files in the catalogue's columns as stock_image_uri, "
        "or search for a text"
    )


def _read_image(uri: str) -> Image.Image | None:
    """Read an image from a path or a file: address; None if that cannot be done."""
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
