"""Nights without an image model: targets, profiles and pictures written as the stages write them."""

import hashlib
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.history.histories import scan_histories
from feature_store.schemas import ARTWORKS
from feature_store.tables.artworks import (
    ArtworkRow,
    StalePicture,
    artwork_id,
    commit_artworks,
    stream_stale_pictures,
)
from feature_store.tables.item_pictures.seen_pictures import SeenPictureRow
from feature_store.tables.items import scan_texts
from feature_store.tables.profiles import ProfileRow, profile_digest, replace_profiles, scan_stale_pairs
from feature_store.tables.runs import close_window, open_run, publish_run
from feature_store.vectors.reference_store import ReferenceStore, StoredVectors
from tests.feature_store.logs import render

WIDTH = 8


def vector_of(text):
    """Two vectors that tell a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=(2, WIDTH)).astype(np.float32)


def embed(lake, folder):
    """Give every text its vectors."""
    store = ReferenceStore(folder / "references", encoder_fingerprint="encoder-a", width=WIDTH)
    texts = scan_texts(lake).to_pylist()
    new = [row for row in texts if row["reference_id"] in store.missing([row["reference_id"]])]
    if new:
        vectors = np.array([vector_of(row["text"]) for row in new])
        store.add([row["reference_id"] for row in new], StoredVectors(vectors[:, 0], vectors[:, 1]))
        store.save()
    return store


def profile(lake, run, *, recipe="p"):
    """Keep every reference of every stale pair, in the order of their ids."""
    pairs = scan_stale_pairs(lake, run, recipe_digest=recipe, max_users=None)
    numbered = pairs.append_column("pair_number", pa.array(np.arange(pairs.num_rows)))
    histories = scan_histories(lake, numbered, known_before=run.window_end).to_pylist()
    rows = []
    for number, pair in enumerate(pairs.to_pylist()):
        chosen = [row for row in histories if row["pair_number"] == number]
        digest = profile_digest(pair["target_id"], [(row["reference_id"], row["weight"]) for row in chosen])
        rows += [
            ProfileRow(
                **{name: row[name] for name in ("reference_item_id", "reference_id", "weight", "origin")},
                **{name: pair[name] for name in ("user_key", "item_id", "as_of")},
                position=place,
                relevance=1.0,
                history_size=len(chosen),
                profile_digest=digest,
                encoder_fingerprint="encoder-a",
                recipe_digest=recipe,
                run_id=run.run_id,
                snapshot_id=1,
            )
            for place, row in enumerate(chosen, start=1)
        ]
    replace_profiles(lake, pairs, rows, recipe_digest=recipe, run_id=run.run_id)
    return pairs


def stale_pictures(lake, run, *, recipe="d", max_users=None):
    """What is to be drawn, as a night lists it for a single bucket."""
    rows = stream_stale_pictures(lake, run, recipe_digest=recipe, max_users=max_users, num_buckets=1)
    return [StalePicture.read(row) for row in rows.read_all().to_pylist()]


def stale_in_the_last_run(lake):
    """What a night that reads the lake as it is would draw."""
    return stale_pictures(lake, open_run(lake))


def seen_pictures(**pictures):
    """What a night saw of the picture of each item: its checksum; None: it was refused."""
    return [
        SeenPictureRow(
            item_id=item,
            stock_image_uri=f"{item}.png",
            picture_sha256=sha256,
            reason=None if sha256 else "not there",
            seen_at=datetime.now(UTC),
        )
        for item, sha256 in pictures.items()
    ]


def keep_artworks(lake, folder, rows):
    """Commit rows of artworks from a file, as a night does; return how many of each status."""
    file = folder / "made.parquet"
    pq.write_table(ARTWORKS.to_arrow(rows), file)
    return commit_artworks(lake, [str(file)])


def draw(lake, folder, run, *, recipe="d"):
    """Write a file and a row for every stale pair."""
    pictures = stale_pictures(lake, run, recipe=recipe)
    rows = []
    for picture in pictures:
        digest = hashlib.sha256(f"{picture.target_text}{picture.references}".encode()).hexdigest()
        path = folder / "images" / digest[:2] / f"{digest}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(digest.encode())
        rows.append(
            ArtworkRow(
                **{
                    name: getattr(picture, name)
                    for name in ("user_key", "item_id", "profile_digest", "target_id")
                },
                artwork_id=artwork_id(picture.user_key, picture.item_id, digest),
                artwork_digest=digest,
                image_path=str(path.relative_to(folder)),
                image_sha256=hashlib.sha256(digest.encode()).hexdigest(),
                seed=1,
                alpha=0.3,
                contrast=None,
                num_references=len(picture.references),
                model_version="1",
                status="generated",
                drawn_at=datetime.now(UTC),
                recipe_digest=recipe,
                run_id=run.run_id,
                snapshot_id=1,
            )
        )
    if rows:
        keep_artworks(lake, folder, rows)
    return pictures


def finish_night(lake, folder):
    """Profile, draw and publish what was taken in."""
    run = close_window(lake, open_run(lake))
    render(lake)
    embed(lake, folder)
    profile(lake, run)
    draw(lake, folder, run)
    publish_run(lake, run)
    return run
