"""Items that several catalogues speak of, put together field by field.

A delivery says what it has columns for; what others said beside that stays. An empty value of another source
is no statement: a feed of prices wipes no genres. Where two sources give one id two titles, it is told.
"""

from dataclasses import dataclass, replace

from duckdb import DuckDBPyConnection

from feature_store.intake.clashes import Corrections
from feature_store.lake.relations import keep
from feature_store.schemas import ITEMS

_SAID = """
    CAST(to_json(map_from_entries(list_filter(
        map_entries(CAST(CAST({fields} AS JSON) AS MAP(VARCHAR, VARCHAR))), lambda entry: entry.value <> ''
    ))) AS VARCHAR)"""

_ENTRIES = "list_sort(map_entries(CAST(CAST({fields} AS JSON) AS MAP(VARCHAR, VARCHAR))))"


@dataclass(frozen=True, order=True)
class Collision:
    """Items of a source that have another title in another source."""

    place: int
    """Of the file that has them."""
    new: str
    """Its source."""
    old: str
    """The other source."""
    num_items: int
    first: str
    """The least of their ids."""
    last: str

    def __str__(self) -> str:
        return (
            f"{self.num_items} items of {self.new} have another title in {self.old}, and take its place, for "
            f"example item {' and item '.join(dict.fromkeys([self.first, self.last]))}: if they are other "
            "items, give one of the sources an id_space"
        )

    def and_also(self, other: "Collision") -> "Collision":
        """Both, of the same file and sources."""
        return replace(
            self,
            num_items=self.num_items + other.num_items,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
        )


def combine_with_known(
    connection: DuckDBPyConnection, made: Corrections
) -> tuple[Corrections, list[Collision]]:
    """Let the fresh rows of items keep what the lake knows beside them; those that change nothing go.

    Returns:
        What is to be written then; items with a title that another source does not give them.
    """
    collisions = _collisions(connection, made)
    said = _SAID.format(fields="new.fields")
    fields = (
        "CASE WHEN old.item_id IS NULL THEN new.fields WHEN old.source = new.source "
        "THEN CAST(json_merge_patch(old.fields, new.fields) AS VARCHAR) "
        f"ELSE CAST(json_merge_patch(old.fields, {said}) AS VARCHAR) END"
    )
    combined = (
        f"SELECT new.* REPLACE ({fields} AS fields, "
        "coalesce(new.stock_image_uri, old.stock_image_uri) AS stock_image_uri) "
        f"FROM {made.fresh} AS new LEFT JOIN {made.known} AS old USING (item_id)"
    )
    same = " AND ".join(_same(name) for name in ITEMS.staged if name not in ITEMS.key)
    fresh = keep(
        connection,
        "combined_rows",
        f"FROM ({combined}) AS new ANTI JOIN {made.known} AS old ON old.item_id = new.item_id AND {same}",
    )
    return replace(made, fresh=fresh), collisions


def _same(name: str) -> str:
    """SQL: whether a column says the same; of fields, whatever their order, which merging does not keep."""
    if name != "fields":
        return f"old.{name} IS NOT DISTINCT FROM new.{name}"
    old, new = (_ENTRIES.format(fields=f"{side}.fields") for side in ("old", "new"))
    return f"CASE WHEN old.fields = new.fields THEN true ELSE {old} = {new} END"


def _collisions(connection: DuckDBPyConnection, made: Corrections) -> list[Collision]:
    rows = connection.execute(
        f"SELECT new.place, new.source, old.source, count(*), min(item_id), max(item_id) "
        f"FROM {made.fresh} AS new JOIN {made.known} AS old USING (item_id) "
        "WHERE new.source <> old.source AND lower(trim(new.title)) <> lower(trim(old.title)) GROUP BY ALL"
    ).fetchall()
    return [Collision(*row) for row in rows]
