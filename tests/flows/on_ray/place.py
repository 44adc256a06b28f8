"""A night of many buckets, and what is asked of it."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings

NEEDS_RAY = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: fan-artwork[cluster]"),
]
ROOT = Path(__file__).parents[3]
MANY_BUCKETS = NIGHT.replace("bucket_users = 3", "bucket_users = 1").replace("per_user = 1", "per_user = 3")
ROWS = """
    SELECT user_id, item_id, artwork_digest, image_path, image_sha256, plain_image_path, visible_change, seed,
           num_references, status, reason FROM artworks ORDER BY ALL
"""
REFERENCES = "SELECT user_id, item_id, position, reference_item_id, weight, origin FROM profiles ORDER BY ALL"
DOUBLED = "SELECT count(*) - count(DISTINCT (user_key, item_id)) FROM night.artworks"


def place(folder, lines=""):
    write_movielens(folder / "logs", sample_ratings())
    return write_settings(folder, lines + MANY_BUCKETS)
