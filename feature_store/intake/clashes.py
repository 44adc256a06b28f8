"""Rows whose key another row has, too: one of the same file, or one that the lake holds already.

They are told apart in temporary relations of one connection, inside the transaction that takes the file in:
`clashing_rows` (of the file), `known_rows` (of the lake), and what follows from both, `fresh` and
`corrections`.
"""

from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.schemas import Table

HASHES_AT_ONCE = 32_000_000
"""Of keys that are compared in memory: 256 MB."""
NO_HASHES = np.empty(0, np.uint64)


def find_known(connection: DuckDBPyConnection, table: Table) -> None:
    """Leave `clashing_rows`, all that are staged, and `known_rows`, those of the lake with the same keys."""
    key = ", ".join(table.key)
    connection.execute("CREATE OR REPLACE TEMP VIEW clashing_rows AS FROM staged_rows")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE known_rows AS "
        f"SELECT rowid AS row_id, * FROM {table.qualified_name} SEMI JOIN staged_rows USING ({key})"
    )


def find_clashing(
    connection: DuckDBPyConnection, table: Table, own: str, hashes: npt.NDArray[np.uint64]
) -> int:
    """Find the rows of a file that was added whose key some other row may have, too.

    Leaves them as `clashing_rows`, and as `known_rows` those of the lake that they may clash with.

    Args:
        connection: inside the transaction that added them.
        table: where they are.
        own: SQL that is true for the rows of the file.
        hashes: those that several keys of the table have (see `repeated_hashes`).

    Returns:
        Number of clashing rows.
    """
    connection.register("repeated_hashes", pa.table({"hash": hashes}))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE alike_rows AS SELECT rowid AS row_id, * FROM {table.qualified_name} "
        f"WHERE {_hash(table)} IN (SELECT hash FROM repeated_hashes)"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE clashing_rows AS FROM alike_rows WHERE {own}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE known_rows AS FROM alike_rows WHERE NOT {own}")
    return int(connection.execute("SELECT count(*) FROM clashing_rows").fetchall()[0][0])


def repeated_hashes(connection: DuckDBPyConnection, table: Table) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hashes that two or more keys of a table have.

    Sorting hashes costs a tenth of grouping keys; parts of them bound the memory that it takes.
    """
    num_rows = connection.execute(f"SELECT count(*) FROM {table.qualified_name}").fetchall()[0][0]
    num_parts = num_rows // HASHES_AT_ONCE + 1
    repeated = []
    for part in range(num_parts):
        hashed = f"SELECT {_hash(table)} AS hash FROM {table.qualified_name}"
        chosen = connection.execute(f"SELECT hash FROM ({hashed}) WHERE hash % {num_parts} = {part}")
        hashes = np.concatenate([NO_HASHES, *(batch["hash"] for batch in chosen.to_arrow_reader(1_000_000))])
        hashes.sort()
        alike = hashes[1:][hashes[1:] == hashes[:-1]]
        repeated.append(alike[np.diff(alike, prepend=alike[:1] - 1) > 0])
    return np.concatenate(repeated)


def _hash(table: Table) -> str:
    return f"hash({', '.join(table.key)})"


def tell_corrections(connection: DuckDBPyConnection, table: Table) -> None:
    """Leave `fresh`: one row per key of `clashing_rows`, without those that the lake holds word for word.

    Only keys that repeat or that `known_rows` have are looked at value by value; most rows are neither.
    `corrections` are what is fresh of them.
    """
    key = ", ".join(table.key)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE clashing_keys AS "
        f"SELECT {key} FROM clashing_rows GROUP BY {key} HAVING count(*) > 1 "
        f"UNION SELECT {key} FROM known_rows"
    )
    values = [column for column in table.staged if column not in table.key]
    order = ", ".join(f"{column} DESC" for column in values)
    same = " AND ".join(
        [f"known.{column} = clash.{column}" for column in table.key]
        + [f"known.{column} IS NOT DISTINCT FROM clash.{column}" for column in values]
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE corrections AS "
        f"SELECT DISTINCT ON ({key}) * "
        f"FROM (FROM clashing_rows SEMI JOIN clashing_keys USING ({key})) AS clash "
        f"ANTI JOIN known_rows AS known ON {same} ORDER BY {key}, {order}"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW fresh AS "
        f"FROM clashing_rows ANTI JOIN clashing_keys USING ({key}) UNION ALL FROM corrections"
    )


def supersede(
    connection: DuckDBPyConnection, table: Table, superseded_at: datetime, *, is_added: bool
) -> None:
    """Move what is corrected out of the way, so that what was known before stays known.

    Args:
        connection: which `corrections` are on.
        table: where the known rows are.
        superseded_at: when they were corrected.
        is_added: whether the file's rows are in the table already: those that clash go, too.
    """
    columns = ", ".join(table.column_names)
    corrected = f"known_rows SEMI JOIN corrections USING ({', '.join(table.key)})"
    superseded = connection.execute(
        f"INSERT INTO superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {columns}, ? FROM {corrected}",
        [superseded_at],
    )
    replaced = f"SELECT row_id FROM {corrected}"
    if is_added:
        replaced += " UNION ALL SELECT row_id FROM clashing_rows"
    if is_added or superseded.fetchall()[0][0]:
        connection.execute(f"DELETE FROM {table.qualified_name} WHERE rowid IN ({replaced})")
