"""Rows whose key another row has, too: one of the same file, or one that the lake holds already.

Keys are compared by sorted 64-bit hashes, a tenth of the cost of grouping the keys; only rows whose hash is
met twice are then looked at value by value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.schemas import INTERACTIONS, Table

Hashes = npt.NDArray[np.uint64]

HASHES_AT_ONCE = 32_000_000
"""Of keys that are compared in memory: 256 MB."""
MOVED = "##"
"""How the id of an event begins that a correction gave to another user: it is a digest of the source's id
from then on, for the source may have named the event after the first one."""


@dataclass(frozen=True, kw_only=True)
class Clashes:
    """What became of the rows of a file whose keys clash; all but the counts are names of relations."""

    hashes: str
    """`hash` of each key that clashes."""
    known: str
    """Rows of the lake that they may clash with, and their `row_id`."""
    fresh: str
    """One row per clashing key, without those that the lake holds word for word."""
    corrections: str
    """Those of `fresh` whose key the lake holds."""
    num_clashing: int
    """Rows of the file that clash."""
    num_fresh: int
    repeats: tuple[str, ...] = ()
    """What to say of rows of the file that have the key of another row of it."""


def hash_sql(table: Table) -> str:
    """Write the SQL of a row's hash."""
    return f"hash({', '.join(table.key)})"


def find_clashes(connection: DuckDBPyConnection, table: Table, rows: str, *, order: str) -> Clashes:
    """Look for the rows of a file that clash with one another or with what the lake holds.

    Args:
        connection: inside the transaction that takes the file in.
        table: where the rows belong.
        rows: relation of the file's rows.
        order: column of the rows by which of several with one key the last counts.
    """
    connection.register("clashing_hashes", pa.table({"hash": _clashing_hashes(connection, table, rows)}))
    clashing = f"{hash_sql(table)} IN (SELECT hash FROM clashing_hashes)"
    own = _keep(connection, "clashing_rows", f"FROM {rows} WHERE {clashing}")
    known = _keep(
        connection, "known_rows", f"SELECT rowid AS row_id, * FROM {table.qualified_name} WHERE {clashing}"
    )
    fresh = _keep(connection, "fresh_rows", _fresh_sql(table, own, known, order))
    key = ", ".join(table.key)
    return Clashes(
        hashes="clashing_hashes",
        known=known,
        fresh=fresh,
        corrections=f"(FROM {fresh} SEMI JOIN {known} USING ({key}))",
        num_clashing=count(connection, own),
        num_fresh=count(connection, fresh),
        repeats=_describe_repeats(connection, table, own),
    )


def _describe_repeats(connection: DuckDBPyConnection, table: Table, own: str) -> tuple[str, ...]:
    """Say how many rows of a file repeat the key of another, with two examples."""
    examples = "any_value(item_id)" + (", any_value(event_time)" if table is INTERACTIONS else "")
    repeated = f"SELECT count(*) - 1 AS n, {examples} FROM {own} GROUP BY {', '.join(table.key)} HAVING n > 0"
    num_rows = connection.execute(f"SELECT sum(n) FROM ({repeated})").fetchall()[0][0]
    if not num_rows:
        return ()
    rows = connection.execute(f"{repeated} ORDER BY ALL DESC LIMIT 2").fetchall()
    named = " and ".join(" at ".join([f"item {row[1]}", *map(str, row[2:])]) for row in rows)
    what = "identity (set `identity` if they are events of their own)" if table is INTERACTIONS else "item"
    return (f"{num_rows:,} rows repeat another row's {what}, of which the last counts, for example {named}",)


def count(connection: DuckDBPyConnection, relation: str) -> int:
    """Count the rows of a relation."""
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _keep(connection: DuckDBPyConnection, name: str, rows: str) -> str:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {rows}")
    return name


def _fresh_sql(table: Table, own: str, known: str, order: str) -> str:
    """One row per key, the last, without those that the lake holds word for word."""
    values = [column for column in table.stored if column not in table.key]
    same = " AND ".join(
        [f"known.{column} = own.{column}" for column in table.key]
        + [f"known.{column} IS NOT DISTINCT FROM own.{column}" for column in values]
    )
    key = ", ".join(table.key)
    return (
        f"SELECT own.* FROM (SELECT DISTINCT ON ({key}) * FROM {own} ORDER BY {key}, {order} DESC) AS own "
        f"ANTI JOIN {known} AS known ON {same}"
    )


def _clashing_hashes(connection: DuckDBPyConnection, table: Table, rows: str) -> Hashes:
    """The hashes that two rows of the file have, or a row of the file and one of the lake."""
    num_parts = count(connection, rows) // HASHES_AT_ONCE + 1
    found = []
    for part in range(num_parts):
        chosen = f"hash % {num_parts} = {part}"
        own = np.concatenate([np.empty(0, np.uint64), *_hashes(connection, table, rows, chosen)])
        own.sort()
        found.append(own[1:][own[1:] == own[:-1]])
        if len(own):
            found += [
                known[own[np.minimum(np.searchsorted(own, known), len(own) - 1)] == known]
                for known in _hashes(connection, table, table.qualified_name, chosen)
            ]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *found]))


def _hashes(connection: DuckDBPyConnection, table: Table, rows: str, chosen: str) -> Iterator[Hashes]:
    hashed = f"SELECT {hash_sql(table)} AS hash FROM {rows}"
    result = connection.execute(f"SELECT hash FROM ({hashed}) WHERE {chosen}")
    for batch in result.to_arrow_reader(1_000_000):
        yield batch["hash"].to_numpy()


def supersede(connection: DuckDBPyConnection, table: Table, clashes: Clashes, at: datetime) -> None:
    """Keep what is corrected as it was known before."""
    columns = ", ".join(table.column_names)
    connection.execute(
        f"INSERT INTO {table.schema}.superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {columns}, ? FROM {clashes.known} SEMI JOIN {clashes.fresh} USING ({', '.join(table.key)})",
        [at],
    )


def merge(connection: DuckDBPyConnection, table: Table, fresh: str) -> None:
    """Insert rows with new keys, and let corrections take the place of the rows with theirs.

    What the store had made of a row that is corrected (an item's texts) goes.
    """
    given = ["source", "ingested_at", "run_id"]
    filled = list(dict.fromkeys([*table.stored, *given]))
    values = {name: f"new.{name}" if name in filled else "NULL" for name in table.column_names}
    if table is INTERACTIONS:
        moved = f"old.user_key <> new.user_key AND NOT starts_with(new.interaction_id, '{MOVED}')"
        values["interaction_id"] = (
            f"CASE WHEN {moved} THEN {moved_id('new.interaction_id')} ELSE new.interaction_id END"
        )
    same_key = " AND ".join(f"old.{name} = new.{name}" for name in table.key)
    connection.execute(
        f"MERGE INTO {table.qualified_name} AS old USING {fresh} AS new ON {same_key} "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = {value}' for name, value in values.items())} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(filled)}) VALUES ({', '.join(f'new.{n}' for n in filled)})"
    )


def moved_id(interaction_id: str) -> str:
    """Write the SQL of the id that an event has once a correction has given it to another user."""
    return f"'{MOVED}' || md5({interaction_id})"
