"""Items that several catalogues speak of, put together field by field.

A delivery says what it has columns for; what others said beside that stays. An empty value of another source
is no statement: a feed of prices wipes no genres. Where two sources give one id two titles, it is told.
"""

from duckdb import DuckDBPyConnection

from feature_store.intake.clashes import Clashes, count
from feature_store.schemas import ITEMS

_SAID = """
    CAST(to_json(map_from_entries(list_filter(
        map_entries(CAST(CAST({fields} AS JSON) AS MAP(VARCHAR, VARCHAR))), lambda entry: entry.value <> ''
    ))) AS VARCHAR)"""
_NUM_EXAMPLES = 2


def combine_with_known(connection: DuckDBPyConnection, clashes: Clashes) -> tuple[int, tuple[str, ...]]:
    """Let the fresh rows of items keep what the lake knows beside them.

    Returns:
        Number of fresh rows that are left: those that change nothing go; and what looks wrong about them.
    """
    warnings = _collisions(connection, clashes)
    said = _SAID.format(fields="new.fields")
    fields = (
        "CASE WHEN old.item_id IS NULL THEN new.fields WHEN old.source = new.source "
        "THEN CAST(json_merge_patch(old.fields, new.fields) AS VARCHAR) "
        f"ELSE CAST(json_merge_patch(old.fields, {said}) AS VARCHAR) END"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE combined AS SELECT new.* REPLACE ({fields} AS fields, "
        "coalesce(new.stock_image_uri, old.stock_image_uri) AS stock_image_uri) "
        f"FROM {clashes.fresh} AS new LEFT JOIN {clashes.known} AS old USING (item_id)"
    )
    values = [name for name in ITEMS.staged if name not in ITEMS.key]
    same = " AND ".join(f"old.{name} IS NOT DISTINCT FROM new.{name}" for name in values)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {clashes.fresh} AS FROM combined AS new "
        f"ANTI JOIN {clashes.known} AS old ON old.item_id = new.item_id AND {same}"
    )
    return count(connection, clashes.fresh), warnings


def _collisions(connection: DuckDBPyConnection, clashes: Clashes) -> tuple[str, ...]:
    rows = connection.execute(
        f"SELECT new.source, old.source, count(*), min(item_id), max(item_id) "
        f"FROM {clashes.fresh} AS new JOIN {clashes.known} AS old USING (item_id) "
        "WHERE new.source <> old.source AND lower(trim(new.title)) <> lower(trim(old.title)) GROUP BY ALL"
    ).fetchall()
    return tuple(
        f"{number} items of {new} have another title in {old}, and take its place, for example item "
        f"{' and item '.join(dict.fromkeys([first, last]))}: if they are other items, give one of "
        "the sources an id_space"
        for new, old, number, first, last in rows
    )
