"""What readers see: the last published night, joined up for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from feature_store.history.taste_words import TasteWord, compare_tastes, taste_table
from feature_store.lake.lake import Lake
from feature_store.tables.targets import first_users

PICTURES = """
    SELECT a.user_key, a.item_id, i.title, i.target_text, t.rank, a.image_path, a.plain_image_path,
           a.visible_change, a.status, a.reason, a.alpha, a.contrast, a.tokens_cut, a.seed, a.num_references,
           a.num_images, a.artwork_digest, a.model_version, a.run_id, i.stock_image_uri
    FROM artworks AS a
    JOIN targets AS t ON t.user_key = a.user_key AND t.item_id = a.item_id
    LEFT JOIN items AS i ON i.item_id = a.item_id
    WHERE {condition}
    ORDER BY length(a.user_id), a.user_id, t.rank
"""

REFERENCES = """
    SELECT p.user_key, p.item_id, p.reference_item_id, p.reference_id,
           i.title, i.reference_text, p.relevance, p.weight,
           p.weight / sum(p.weight) OVER (PARTITION BY p.user_key, p.item_id) AS share, p.origin,
           p.history_size, p.as_of
    FROM profiles AS p LEFT JOIN items AS i ON i.item_id = p.reference_item_id
    WHERE {condition}
    ORDER BY p.user_key, p.item_id, p.position
"""


@dataclass(frozen=True, kw_only=True)
class PublishedReference:
    """One reference that a picture was drawn after."""

    user_key: int
    item_id: str
    reference_item_id: str
    reference_id: int
    title: str | None
    reference_text: str | None
    relevance: float
    weight: float
    share: float
    """Of the weights of all references of the picture."""
    origin: str
    history_size: int
    as_of: datetime

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or self.reference_item_id


@dataclass(frozen=True, kw_only=True)
class PublishedPicture:
    """One picture that readers see, with its references in order of selection."""

    user_key: int
    item_id: str
    title: str | None
    target_text: str | None
    rank: int
    image_path: str | None
    plain_image_path: str | None
    visible_change: float | None
    status: str
    reason: str | None
    alpha: float
    contrast: float | None
    tokens_cut: int | None
    seed: int | None
    num_references: int
    num_images: int = 0
    artwork_digest: str | None
    model_version: str
    run_id: str
    stock_image_uri: str | None
    references: Sequence[PublishedReference] = ()
    words: Sequence[TasteWord] = ()
    """What its references have more of, and less, than what everybody likes; see `name_tastes`."""

    @property
    def name(self) -> str:
        """What people call the item."""
        return self.title or self.item_id

    @property
    def is_personal(self) -> bool:
        """Whether there is a file that was drawn after references."""
        return self.image_path is not None and bool(self.references)

    @property
    def is_borrowed(self) -> bool:
        """Whether any reference is one that others like, not the user."""
        return any(row.origin == "neighbours" for row in self.references)


def read_pictures(lake: Lake, *, max_users: int) -> list[PublishedPicture]:
    """Return the published pictures of the first users."""
    return _read(lake, f"{{table}}.user_key IN ({first_users('artworks', max_users)})", [])


def read_picture(lake: Lake, user_id: str, item_id: str) -> PublishedPicture | None:
    """Return one published picture, or None."""
    found = _read(lake, "{table}.user_id = ? AND {table}.item_id = ?", [user_id, item_id])
    return found[0] if found else None


def name_tastes(
    lake: Lake,
    pictures: Sequence[PublishedPicture],
    population: pa.Table,
    *,
    least_users: int,
    fields: Sequence[str],
) -> list[PublishedPicture]:
    """Give each picture the few words that its references stand for.

    Args:
        lake: where items and their fields are.
        pictures: with their references.
        population: all that everybody likes, from `history.population`.
        least_users: who must like a text whose words are told.
        fields: of items, whose parts are words; none: all but the title.
    """
    tastes = [
        (number, row.reference_id, row.weight)
        for number, picture in enumerate(pictures)
        for row in picture.references
    ]
    words = compare_tastes(lake, taste_table(tastes), population, least_users=least_users, fields=fields)
    return [replace(picture, words=words.get(number, ())) for number, picture in enumerate(pictures)]


def read_items_of(lake: Lake, user_id: str) -> list[str]:
    """Return the items that a user has published pictures of, in the order of the user's list."""
    rows = lake.query(
        "SELECT a.item_id FROM artworks AS a JOIN targets USING (user_key, item_id) "
        "WHERE a.user_id = ? ORDER BY rank",
        [user_id],
    )
    return rows["item_id"].to_pylist()


def _read(lake: Lake, condition: str, parameters: list[object]) -> list[PublishedPicture]:
    rows = lake.query(PICTURES.format(condition=condition.format(table="a")), parameters).to_pylist()
    references: dict[tuple[int, str], list[PublishedReference]] = {}
    for row in lake.query(REFERENCES.format(condition=condition.format(table="p")), parameters).to_pylist():
        reference = PublishedReference(**row)
        references.setdefault((reference.user_key, reference.item_id), []).append(reference)
    pictures = [PublishedPicture(**row) for row in rows]
    return [
        replace(picture, references=references.get((picture.user_key, picture.item_id), ()))
        for picture in pictures
    ]
