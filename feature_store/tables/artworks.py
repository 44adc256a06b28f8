"""Artworks: the picture of each (user, target), and what it was made of."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.lake.lake import Lake
from feature_store.lake.relations import keep
from feature_store.lake.sql import quote
from feature_store.schemas import ARTWORKS
from feature_store.tables.profiles import NO_PROFILE
from feature_store.tables.runs import Run
from feature_store.tables.targets import bucket_number, wanted_targets

STALE = """
    FROM {wanted} AS target
    LEFT JOIN items AS item ON item.item_id = target.item_id
    LEFT JOIN start_pictures AS begun ON begun.item_id = target.item_id
    LEFT JOIN reference_pictures AS own
        ON own.item_id = target.item_id AND own.stock_image_uri = item.stock_image_uri
    LEFT JOIN night.profile_states AS state
        ON state.user_key = target.user_key AND state.item_id = target.item_id
    LEFT JOIN night.artworks AS drawn ON drawn.user_key = target.user_key AND drawn.item_id = target.item_id
    WHERE (
        drawn.user_key IS NULL
        OR drawn.profile_digest <> coalesce(state.profile_digest, '{no_profile}')
        OR drawn.target_id IS DISTINCT FROM item.target_id
        OR drawn.recipe_digest <> $recipe_digest
        OR (drawn.status = 'failed' AND drawn.run_id <> $run_id)
        {also}
    )
"""
PAIR = "SELECT {bucket} AS bucket, * FROM ({pairs}) ORDER BY bucket"
REFERENCE = """
    SELECT pair.bucket, p.user_key, p.item_id, p.position, p.weight, i.reference_text,
           struct_pack(uri := i.stock_image_uri, sha256 := seen.picture_sha256) AS picture
    FROM night.profiles AS p JOIN {pair} AS pair ON pair.user_key = p.user_key AND pair.item_id = p.item_id
    JOIN items AS i ON i.item_id = p.reference_item_id
    LEFT JOIN reference_pictures AS seen
        ON seen.item_id = i.item_id AND seen.stock_image_uri = i.stock_image_uri
    ORDER BY pair.bucket
"""
"""Rows of pairs' references, by bucket: sorting goes to disk where memory ends."""
PAIRS = """
    WITH profile AS (
        SELECT user_key, item_id, list(reference_text ORDER BY position) AS references,
               list(weight ORDER BY position) AS weights, list(picture ORDER BY position) AS pictures
        FROM {reference} WHERE bucket BETWEEN $first AND $last GROUP BY ALL
    )
    SELECT bucket, user_key, item_id, target_id, target_text, tokens_cut, profile_digest,
           artwork_digest, stock_image_uri, start_sha256, own_sha256,
           coalesce(profile.references, []) AS references, coalesce(profile.weights, []) AS weights,
           coalesce(profile.pictures, []) AS pictures
    FROM {pair} LEFT JOIN profile USING (user_key, item_id)
    WHERE bucket BETWEEN $first AND $last
    ORDER BY bucket, place
"""
BUCKETS_AT_ONCE = 4
"""Lists are made in memory, so not of all pairs at once."""
STALE_PAIRS = """
    SELECT target.user_key, target.user_id, target.item_id, item.target_id, item.target_text,
           item.stock_image_uri, begun.picture_sha256 AS start_sha256, own.picture_sha256 AS own_sha256,
           NULL::VARCHAR AS artwork_digest,
           coalesce(item.target_cut, 0) AS tokens_cut,
           coalesce(state.profile_digest, '{no_profile}') AS profile_digest,
           struct_pack(size := length(target.user_id), id := target.user_id, rank := target.rank) AS place
    {stale}
"""
DRAWN_PAIRS = """
    SELECT drawn.user_key, drawn.item_id, drawn.target_id, item.target_text, drawn.artwork_digest,
           item.stock_image_uri, begun.picture_sha256 AS start_sha256, own.picture_sha256 AS own_sha256,
           coalesce(item.target_cut, 0) AS tokens_cut, drawn.profile_digest, drawn.artwork_digest AS place
    FROM night.artworks AS drawn JOIN items AS item USING (item_id)
    LEFT JOIN start_pictures AS begun ON begun.item_id = item.item_id
    LEFT JOIN reference_pictures AS own
        ON own.item_id = item.item_id AND own.stock_image_uri = item.stock_image_uri
    WHERE drawn.image_path IS NOT NULL AND drawn.recipe_digest = $recipe_digest
        AND item.target_id = drawn.target_id
    ORDER BY drawn.artwork_digest, drawn.user_key
    LIMIT $most
"""
MADE = """
    SELECT * EXCLUDE (place, repeats) REPLACE (
        CASE WHEN status = 'generated' AND (
            repeats > 1 OR artwork_digest IN (SELECT artwork_digest FROM night.artworks)
        ) THEN 'reused' ELSE status END AS status
    )
    FROM (SELECT *, row_number() OVER (PARTITION BY artwork_digest ORDER BY place) AS repeats FROM {rows})
"""
"""What was drawn: the first row of a picture that no row has had yet is generated, others reuse it."""


@dataclass(frozen=True, kw_only=True)
class ArtworkRow:
    """A row of `artworks`: the picture of one (user, target); columns as in `schemas.ARTWORKS`."""

    artwork_id: str
    user_key: int
    item_id: str
    profile_digest: str
    artwork_digest: str | None = None
    image_path: str | None = None
    image_sha256: str | None = None
    plain_image_path: str | None = None
    visible_change: float | None = None
    seed: int | None = None
    alpha: float
    contrast: float | None
    num_references: int
    num_images: int = 0
    tokens_cut: int | None = None
    target_id: int | None
    model_version: str
    status: str
    reason: str | None = None
    drawn_at: datetime
    recipe_digest: str
    run_id: str
    snapshot_id: int


@dataclass(frozen=True, kw_only=True)
class PictureName:
    """Where an item's own picture is, and which it is."""

    uri: str | None
    sha256: str | None
    """Checksum of its file, as a night saw it; None: there is none, or it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class StalePicture:
    """A (user, target) whose picture is to be drawn, and what it is drawn from."""

    user_key: int
    item_id: str
    target_id: int | None
    """Of the target's text; None for an item that the catalogue does not know."""
    target_text: str | None
    tokens_cut: int
    """Tokens for which the text was shortened."""
    profile_digest: str
    references: list[str]
    """Texts, the most relevant first."""
    weights: list[float]
    """One per reference."""
    artwork_digest: str | None = None
    """Of the picture that there is, where one is asked for."""
    stock_image_uri: str | None = None
    """Where the item's own picture is, if it has one."""
    start_sha256: str | None = None
    """Checksum of that picture, as the night saw it that begins with such pictures."""
    own_sha256: str | None = None
    """The same, as the night saw it where pictures act as references."""
    pictures: list[PictureName] = field(default_factory=list)
    """Of the items of `references`, one each."""

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of a work list; its bucket is left out."""
        told = {name: value for name, value in row.items() if name not in ("bucket", "pictures")}
        return cls(**told, pictures=[PictureName(**one) for one in row["pictures"]])


def stream_stale_pictures(
    lake: Lake, run: Run, *, recipe_digest: str, max_users: int | None, num_buckets: int
) -> pa.RecordBatchReader:
    """Return what is to be drawn: new, with another profile, text or recipe, or failed last night.

    A row for each picture (`StalePicture.read`), by `bucket` of users from 0; users are in a stable order.
    """
    pairs = STALE_PAIRS.format(stale=_stale(max_users), no_profile=NO_PROFILE)
    bucket = bucket_number("user_id", num_buckets)
    return _with_references(lake, pairs, bucket, num_buckets, _parameters(recipe_digest, run))


def _with_references(
    lake: Lake, pairs: str, bucket: str, num_buckets: int, parameters: Mapping[str, object]
) -> pa.RecordBatchReader:
    """Return pairs with the references of their profiles, a few buckets at a time."""
    cursor = lake.cursor()
    pair = keep(cursor, "pair", PAIR.format(pairs=pairs, bucket=bucket), parameters)
    reference = keep(cursor, "reference", REFERENCE.format(pair=pair))
    sql = PAIRS.format(pair=pair, reference=reference)

    def read(first: int) -> pa.RecordBatchReader:
        return cursor.execute(sql, {"first": first, "last": first + BUCKETS_AT_ONCE - 1}).to_arrow_reader()

    schema = read(num_buckets).schema
    batches = (batch for first in range(0, num_buckets, BUCKETS_AT_ONCE) for batch in read(first))
    return pa.RecordBatchReader.from_batches(schema, batches)


def _parameters(recipe_digest: str, run: Run) -> dict[str, object]:
    return {"recipe_digest": recipe_digest, "run_id": run.run_id}


def scan_drawn_pictures(lake: Lake, *, recipe_digest: str, most: int) -> list[StalePicture]:
    """Return stored pictures of one recipe and what they were drawn from, as far as it is the same still.

    Always the same ones come first: those of the smallest digests.
    """
    asked = {"recipe_digest": recipe_digest, "most": most}
    rows = _with_references(lake, DRAWN_PAIRS, "0", 1, asked).read_all()
    return [StalePicture.read(row) for row in rows.to_pylist()]


def count_stale_pictures(
    lake: Lake, *, recipe_digest: str, profile_recipe: str, max_users: int | None
) -> tuple[int, int]:
    """Return how many users' pictures may have to be drawn, and of how many items, as the lake is now.

    Those whose profile has another recipe are among them, though the same references may be selected.
    """
    stale = _stale(max_users, also="OR state.recipe_digest IS DISTINCT FROM $profile_recipe")
    sql = f"SELECT count(*) AS pictures, count(DISTINCT target.item_id) AS items {stale}"
    recipes = {"recipe_digest": recipe_digest, "profile_recipe": profile_recipe}
    row = lake.query(sql, {**recipes, "run_id": ""}).to_pylist()[0]
    return row["pictures"], row["items"]


def sample_texts(lake: Lake, *, most: int) -> list[str]:
    """Return texts of items that pictures can be drawn of, always the same ones."""
    sql = "SELECT DISTINCT target_text FROM items WHERE target_text <> '' ORDER BY target_text LIMIT $most"
    return [str(text) for text in lake.query(sql, {"most": most})["target_text"].to_pylist()]


def count_stale_users(lake: Lake, run: Run, *, recipe_digest: str, max_users: int | None) -> int:
    """Return how many users have a picture to draw."""
    sql = f"SELECT count(DISTINCT target.user_key) AS n {_stale(max_users)}"
    return lake.query(sql, _parameters(recipe_digest, run))["n"][0].as_py()


def _stale(max_users: int | None, also: str = "") -> str:
    return STALE.format(wanted=wanted_targets(max_users), no_profile=NO_PROFILE, also=also)


def count_wanted(lake: Lake, *, max_users: int | None) -> tuple[int, int]:
    """Return the numbers of users and of targets that pictures are wanted for."""
    sql = f"SELECT count(DISTINCT user_key) AS users, count(*) AS targets FROM {wanted_targets(max_users)}"
    row = lake.query(sql).to_pylist()[0]
    return row["users"], row["targets"]


def count_personal(lake: Lake) -> int:
    """Return how many pictures of the night are drawn from references."""
    rows = lake.query("SELECT count(*) AS n FROM night.artworks WHERE num_references + num_images > 0")
    return int(rows["n"][0].as_py())


def artwork_id(user_key: int, item_id: str, artwork_digest: str) -> str:
    """Identify the picture that one user gets of one item."""
    return hashlib.sha256("\x1f".join((str(user_key), item_id, artwork_digest)).encode()).hexdigest()[:32]


def commit_artworks(lake: Lake, files: Sequence[str]) -> dict[str, int]:
    """Let the rows of Parquet files stand for the pictures of their pairs, in one transaction.

    Args:
        lake: where they go.
        files: addresses of files of `ARTWORKS` rows, in order.

    Returns:
        Number of rows by status.
    """
    listed = f"read_parquet([{', '.join(map(quote, files))}], filename = true, file_row_number = true)"
    rows = (
        f"(SELECT * EXCLUDE (filename, file_row_number), (filename, file_row_number) AS place FROM {listed})"
    )

    def replace(connection: DuckDBPyConnection) -> dict[str, int]:
        made = keep(connection, "made", MADE.format(rows=rows))
        connection.execute(
            f"DELETE FROM night.artworks AS old USING {made} AS made "
            "WHERE old.user_key = made.user_key AND old.item_id = made.item_id"
        )
        columns = ", ".join(ARTWORKS.column_names)
        connection.execute(f"INSERT INTO night.artworks ({columns}) SELECT {columns} FROM {made}")
        counts = connection.execute(f"SELECT status, count(*) FROM {made} GROUP BY status").fetchall()
        connection.execute(f"DROP TABLE {made}")
        return dict(counts)

    return lake.write(replace, "artworks")
