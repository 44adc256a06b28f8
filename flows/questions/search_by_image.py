"""Retrieval by an image: it takes on the artwork of what a user likes, where items have their own artwork."""

import logging
from dataclasses import replace
from pathlib import Path

from PIL import Image

from fan_model.retrieval.clip_features import blend_features
from feature_store.history.tastes import read_liked_artwork
from feature_store.lake.lake import Lake
from feature_store.tables.items import ScoredItem
from flows.questions.search import SearchError, find_items, load_features, personalization
from flows.settings import Settings
from flows.workspace import open_lake
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader
from recsys_adapters.pictures.picture_rules import RefusedPicture, describe_refusals

logger = logging.getLogger(__name__)

MAX_ARTWORKS = 200
"""Of the most liked items; each is read and encoded for every search."""

WeightedImages = tuple[list[Image.Image], list[float]]


def search_by_image(
    settings: Settings, user_id: str, image: Path, *, num_hits: int, alpha: float | None = None
) -> list[ScoredItem]:
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
    if settings.search.method == "contrast":
        raise SearchError('no crowd of images is known: search with search.method = "mean" or "attention"')
    lake = open_lake(settings, read_only=True)
    target = _read_query(settings, image)
    references, weights = _read_artworks(settings, lake, user_id)
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


def _read_query(settings: Settings, file: Path) -> Image.Image:
    """Read the picture that whoever searches has named: it may lie anywhere."""
    here = file.resolve()
    read = PictureReader(replace(settings.pictures, allowed=(str(here.parent),))).read(str(here))
    if isinstance(read, RefusedPicture):
        raise SearchError(f"{file} is {read.refusal}: name a PNG, JPEG or WebP file")
    return read.image


def _read_artworks(settings: Settings, lake: Lake, user_id: str) -> WeightedImages:
    artworks = read_liked_artwork(lake, user_id, limit=MAX_ARTWORKS)
    reader = PictureReader(settings.pictures)
    read = [(reader.read(artwork.uri), artwork.weight) for artwork in artworks]
    images = [(picture.image, weight) for picture, weight in read if isinstance(picture, ItemPicture)]
    refused = [picture.refusal for picture, _ in read if isinstance(picture, RefusedPicture)]
    if not images:
        found = describe_refusals(refused, len(artworks)) if artworks else "no liked item has artwork"
        raise SearchError(
            f"user {user_id}: {found}; name the column of files in the catalogue's columns as "
            "stock_image_uri, and their folder in pictures.allowed, or search for a text"
        )
    if refused:
        logger.warning(describe_refusals(refused, len(artworks)))
    return [image for image, _ in images], [weight for _, weight in images]
