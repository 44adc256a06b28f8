"""How items' own pictures look: the field `style`, which a vision-language model has written.

It stands in a table of its own, so that no delivery of a catalogue wipes it. A picture that takes the place
of another at the same address has the style of the one before until it is described; one at a new address
has none. What a catalogue itself says in a field `style` wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from feature_store.intake.stale_states import mark_stale
from feature_store.lake.lake import Lake
from feature_store.schemas import DESCRIPTIONS, ITEMS

STYLE = "style"
"""The field's name in templates."""
OWN_STYLE = f"coalesce(trim(json_extract_string(items.fields, '$.{STYLE}')), '') <> ''"
"""Whether the catalogue says itself how an item looks."""
LATEST = """
    SELECT * FROM (FROM descriptions{version})
    SEMI JOIN items USING (item_id, stock_image_uri)
    WHERE {condition} QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY described_at DESC) = 1
"""


@dataclass(frozen=True, kw_only=True)
class DescriptionRow:
    """A row of `descriptions`."""

    item_id: str
    stock_image_uri: str
    picture_sha256: str | None
    describer_digest: str
    style: str | None
    reason: str | None
    described_at: datetime


@dataclass(frozen=True, kw_only=True)
class ItemsPicture:
    """An address of a picture, and the items that have it."""

    uri: str
    item_ids: tuple[str, ...]


def items_with_style(snapshot_id: int | None = None) -> str:
    """Write the SQL of the items with the style of their pictures among their fields.

    Args:
        snapshot_id: a snapshot of the lake, after which nothing that was described counts; by default all.
    """
    version = "" if snapshot_id is None else f" AT (VERSION => {snapshot_id})"
    latest = LATEST.format(version=version, condition="picture_sha256 IS NOT NULL")
    return f"""
        SELECT items.* REPLACE (CASE
            WHEN described.style IS NULL OR {OWN_STYLE} THEN items.fields
            ELSE CAST(json_merge_patch(items.fields, json_object('{STYLE}', described.style)) AS VARCHAR)
        END AS fields)
        FROM items LEFT JOIN ({latest}) AS described USING (item_id)
    """


def scan_pictures(lake: Lake) -> list[ItemsPicture]:
    """Return the pictures of all items whose catalogue does not say itself how they look, by address."""
    rows = lake.query(
        "SELECT stock_image_uri AS uri, list(item_id ORDER BY item_id) AS item_ids FROM items "
        f"WHERE stock_image_uri IS NOT NULL AND NOT {OWN_STYLE} GROUP BY uri ORDER BY uri"
    )
    return [ItemsPicture(uri=row["uri"], item_ids=tuple(row["item_ids"])) for row in rows.to_pylist()]


def read_described(lake: Lake, describer_digest: str) -> dict[str, tuple[str | None, str | None]]:
    """Return what a describer said of each picture, by its checksum: style and reason."""
    rows = lake.query(
        "SELECT picture_sha256, arg_max({style: style, reason: reason}, described_at) AS said "
        "FROM descriptions WHERE describer_digest = ? AND picture_sha256 IS NOT NULL GROUP BY picture_sha256",
        [describer_digest],
    )
    return {row["picture_sha256"]: (row["said"]["style"], row["said"]["reason"]) for row in rows.to_pylist()}


def append_descriptions(lake: Lake, rows: Sequence[DescriptionRow]) -> int:
    """Add what is new of items that are there still and have the picture still; return how many rows it is.

    Whoever met an item that looks otherwise now is profiled anew, as after a correction of the catalogue.
    """
    if not rows:
        return 0
    told = [name for name in DESCRIPTIONS.column_names if name != "described_at"]
    same = " AND ".join(f"latest.{name} IS NOT DISTINCT FROM given.{name}" for name in told)
    new = (
        "CREATE OR REPLACE TEMP TABLE described AS "
        "SELECT given.* FROM given SEMI JOIN items USING (item_id, stock_image_uri) "
        f"ANTI JOIN ({LATEST.format(version='', condition='true')}) AS latest ON {same}"
    )

    def write(connection: DuckDBPyConnection) -> int:
        connection.register("given", DESCRIPTIONS.to_arrow(rows))
        connection.execute(new)
        connection.unregister("given")
        mark_stale(connection, ITEMS, "(FROM described WHERE picture_sha256 IS NOT NULL)")
        added = connection.execute(f"INSERT INTO {DESCRIPTIONS.qualified_name} FROM described")
        return int(added.fetchall()[0][0])

    return lake.write(write, "describe pictures")
