"""What readers see: the last published night, joined up for people to look at."""

from feature_store.lake.lake import Lake
from feature_store.tables.targets import first_users

PICTURES = """
    SELECT a.user_id, a.item_id, i.title, i.target_text, t.rank, a.image_path, a.plain_image_path, a.status,
           a.reason, a.alpha, a.seed, a.num_references, a.profile_digest, a.artwork_digest, a.model_version,
           a.run_id, a.drawn_at, i.stock_image_uri
    FROM artworks AS a
    JOIN targets AS t ON t.user_id = a.user_id AND t.item_id = a.item_id
    LEFT JOIN items AS i ON i.item_id = a.item_id
    WHERE {condition}
    ORDER BY length(a.user_id), a.user_id, t.rank
"""

REFERENCES = """
    SELECT p.user_id, p.item_id, p.position, p.reference_item_id, i.title, i.reference_text, p.relevance,
           p.weight, p.weight / sum(p.weight) OVER (PARTITION BY p.user_id, p.item_id) AS share, p.origin,
           p.history_size, p.as_of, p.run_id
    FROM profiles AS p LEFT JOIN items AS i ON i.item_id = p.reference_item_id
    WHERE {condition}
    ORDER BY length(p.user_id), p.user_id, p.item_id, p.position
"""


def read_pictures(lake: Lake, *, max_users: int) -> list[dict[str, object]]:
    """Return the published pictures of the first users, each with its `references`."""
    users = first_users("artworks", max_users)
    return _read(lake, f"{{table}}.user_id IN ({users})", [])


def read_picture(lake: Lake, user_id: str, item_id: str) -> dict[str, object] | None:
    """Return one published picture with its `references`, or None."""
    found = _read(lake, "{table}.user_id = ? AND {table}.item_id = ?", [user_id, item_id])
    return found[0] if found else None


def read_items_of(lake: Lake, user_id: str) -> list[str]:
    """Return the items that a user has published pictures of, in the order of the user's list."""
    rows = lake.query(
        "SELECT a.item_id FROM artworks AS a JOIN targets USING (user_id, item_id) "
        "WHERE a.user_id = ? ORDER BY rank",
        [user_id],
    )
    return rows["item_id"].to_pylist()


def _read(lake: Lake, condition: str, parameters: list[object]) -> list[dict[str, object]]:
    pictures = lake.query(PICTURES.format(condition=condition.format(table="a")), parameters).to_pylist()
    references: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in lake.query(REFERENCES.format(condition=condition.format(table="p")), parameters).to_pylist():
        references.setdefault((row["user_id"], row["item_id"]), []).append(row)
    return [row | {"references": references.get((row["user_id"], row["item_id"]), [])} for row in pictures]
