"""Rows whose key another row has, too: one of the same files, or one that the lake holds already.

Keys are compared by sorted 64-bit hashes, a tenth of the cost of grouping the keys; only rows whose hash is
met twice are then looked at value by value. Where several files are taken in together, what each says of a
key is a version, and version after version is compared with what the lake holds, as if each were alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from feature_store.intake.offers import InseparableError
from feature_store.lake.relations import count, keep
from feature_store.schemas import INTERACTIONS, Table

Hashes = npt.NDArray[np.uint64]

HASHES_AT_ONCE = 32_000_000
"""Of keys that are compared in memory: 256 MB."""
HASHES_IN_A_BATCH = 1_000_000
"""Of keys that are read at a time."""
MOVED = "##"
"""How the id of an event begins that a correction gave to another user: it is a digest of the source's id
from then on, for the source may have named the event after the first one."""


@dataclass(frozen=True, kw_only=True)
class Clashes:
    """The rows of files whose keys clash, with one another or with those of the lake."""

    rows: str
    """Relation of the rows."""
    num_rows: Mapping[int, int] = field(default_factory=dict)
    """Of each file that has any, by its place."""
    versions: str = ""
    """Relation of one row per file and key, the last of the file; `version` counts those of a key (from 0) as
    the files follow each other. An event's that only repeats what the file before said is left out."""
    num_versions: int = 0
    """Most of one key."""
    repeats: Mapping[int, str] = field(default_factory=dict)
    """What to say of rows that have the key of another row of their file, by the place of the file."""


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """What is to be written of rows that clash; relations."""

    known: str
    """Rows of the lake that they may clash with."""
    fresh: str
    """One row per key, without those that the lake holds word for word."""


@dataclass(frozen=True)
class Replaced:
    """Events of a file that take the place of others'."""

    num_rows: int
    example: tuple[str, str, str]
    """Of the first by its id: that, its item, and the item before."""

    def __add__(self, other: "Replaced") -> "Replaced":
        return Replaced(self.num_rows + other.num_rows, min(self.example, other.example))

    @property
    def told(self) -> str:
        """What to say of them."""
        _, item, before = self.example
        return (
            f"{self.num_rows:,} events have the id of an earlier one of another user and item, and take its "
            f"place, for example item {item} that of item {before}. If they are events of their own, as "
            "where each file counts from 0, name no event_id, or set `identity`"
        )


def hash_sql(table: Table) -> str:
    """Write the SQL of a row's hash."""
    return f"hash({', '.join(table.key)})"


def find_clashes(
    connection: DuckDBPyConnection, table: Table, rows: str, *, order: str, num_files: int
) -> Clashes:
    """Look for the rows of files that clash with one another or with what the lake holds.

    Args:
        connection: inside the transaction that takes the files in.
        table: where the rows belong.
        rows: relation of the files' rows, with the `place` of each one's file.
        order: SQL to sort a file's rows by, the last one first: of several with one key the last counts.
        num_files: how many files there are.
    """
    hashes = _clashing_hashes(connection, table, rows)
    if not len(hashes):
        return Clashes(rows=f"(FROM {rows} LIMIT 0)")
    connection.register("clashing_hashes", pa.table({"hash": hashes}))
    clashing = f"{hash_sql(table)} IN (SELECT hash FROM clashing_hashes)"
    own = keep(connection, "clashing_rows", f"FROM {rows} WHERE {clashing}")
    versions = keep(connection, "versions", _versions_sql(table, own, order, num_files))
    most = connection.execute(f"SELECT max(version) + 1 FROM {versions}").fetchall()[0][0]
    counted = connection.execute(f"SELECT place, count(*) FROM {own} GROUP BY place").fetchall()
    return Clashes(
        rows=own,
        num_rows=dict(counted),
        versions=versions,
        num_versions=most,
        repeats=_describe_repeats(connection, table, own),
    )


def correct(connection: DuckDBPyConnection, table: Table, clashes: Clashes, version: int) -> Corrections:
    """Compare one version of each key with what the lake holds by now."""
    own = f"(SELECT * EXCLUDE version FROM {clashes.versions} WHERE version = {version})"
    known = keep(
        connection,
        "known_rows",
        f"FROM {table.qualified_name} WHERE {hash_sql(table)} IN (SELECT {hash_sql(table)} FROM {own})",
    )
    fresh = keep(connection, "fresh_rows", _fresh_sql(table, own, known))
    return Corrections(known=known, fresh=fresh)


def check_separable(
    connection: DuckDBPyConnection, table: Table, clashes: Clashes, made: Corrections, version: int
) -> None:
    """See that no event gets another user, and with it another id, of which a later file speaks, too.

    Raises:
        InseparableError: if one does.
    """
    if table is not INTERACTIONS or version + 1 == clashes.num_versions:
        return
    moved = f"(SELECT new.* FROM {made.fresh} AS new JOIN {made.known} AS old USING ({', '.join(table.key)}) "
    moved += f"WHERE {_is_moved('old', 'new')})"
    if count(
        connection, f"({_later_sql(clashes, version)} SEMI JOIN {moved} USING ({', '.join(table.key)}))"
    ):
        raise InseparableError("an event is given to another user, and corrected again")


def _later_sql(clashes: Clashes, version: int) -> str:
    return f"FROM (FROM {clashes.versions} WHERE version > {version})"


def _describe_repeats(connection: DuckDBPyConnection, table: Table, own: str) -> dict[int, str]:
    """Say how many rows of each file repeat the key of another, with two examples."""
    is_event = table is INTERACTIONS
    examples = "min(item_id) AS item" + (", min(event_time) AS moment" if is_event else "")
    keys = f"GROUP BY place, {', '.join(table.key)} HAVING n > 0"
    repeated = f"SELECT place, count(*) - 1 AS n, {examples} FROM {own} {keys}"
    shown = "item" + (", moment" if is_event else "")
    rows = connection.execute(
        f"SELECT place, sum(n) OVER (PARTITION BY place), {shown} FROM ({repeated}) QUALIFY "
        f"row_number() OVER (PARTITION BY place ORDER BY n DESC, {shown.replace(',', ' DESC,')} DESC) <= 2 "
        f"ORDER BY place, n DESC, {shown.replace(',', ' DESC,')} DESC"
    ).fetchall()
    what = "identity (set `identity` if they are events of their own)" if is_event else "item"
    named: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for place, num_rows, item, *at in rows:
        named[place, num_rows].append(" at ".join([f"item {item}", *map(str, at)]))
    return {
        place: f"{num_rows:,} rows repeat another row's {what}, of which the last counts, for example "
        f"{' and '.join(examples)}"
        for (place, num_rows), examples in named.items()
    }


def find_replaced(connection: DuckDBPyConnection, table: Table, made: Corrections) -> dict[int, "Replaced"]:
    """Look for the events of each file that take the place of one of another user and item.

    A correction changes one of them; whoever changes both has counted from 0 again, it seems.
    """
    if table is not INTERACTIONS:
        return {}
    rows = connection.execute(
        f"SELECT place, count(*), min((new.interaction_id, new.item_id, old.item_id)) "
        f"FROM {made.fresh} AS new JOIN {made.known} AS old "
        f"ON {_same_key(table)} WHERE old.user_key <> new.user_key AND old.item_id <> new.item_id "
        "GROUP BY place"
    ).fetchall()
    return {place: Replaced(num_rows, example) for place, num_rows, example in rows}


def count_by_place(connection: DuckDBPyConnection, relation: str) -> Counter[int]:
    """Count the rows of a relation by the `place` of their files."""
    return Counter(
        dict(connection.execute(f"SELECT place, count(*) FROM {relation} GROUP BY place").fetchall())
    )


def _versions_sql(table: Table, own: str, order: str, num_files: int) -> str:
    """One row per file and key, the last of the file, numbered by file."""
    key = ", ".join(table.key)
    if num_files == 1:
        return f"SELECT DISTINCT ON ({key}) *, 0 AS version FROM {own} ORDER BY {key}, {order}"
    last = f"SELECT DISTINCT ON (place, {key}) * FROM {own} ORDER BY place, {key}, {order}"
    if table is INTERACTIONS:
        values = f"row({', '.join(column for column in table.stored if column not in table.key)})"
        before = f"lag({values}) OVER (PARTITION BY {key} ORDER BY place)"
        last = f"SELECT * FROM ({last}) QUALIFY {before} IS DISTINCT FROM {values}"
    return f"SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY place) - 1 AS version FROM ({last})"


def _fresh_sql(table: Table, own: str, known: str) -> str:
    """The rows without those that the lake holds word for word."""
    values = [column for column in table.stored if column not in table.key]
    same = " AND ".join(
        [f"known.{column} = own.{column}" for column in table.key]
        + [f"known.{column} IS NOT DISTINCT FROM own.{column}" for column in values]
    )
    return f"SELECT own.* FROM {own} AS own ANTI JOIN {known} AS known ON {same}"


def _clashing_hashes(connection: DuckDBPyConnection, table: Table, rows: str) -> Hashes:
    """The hashes that two rows of the file have, or a row of the file and one of the lake."""
    num_rows = count(connection, rows)
    num_parts = num_rows // HASHES_AT_ONCE + 1
    found = [np.empty(0, np.uint64)]
    for part in range(num_parts):
        chosen = f"hash % {num_parts} = {part}" if num_parts > 1 else "true"
        own = _filled(_hashes(connection, table, rows, chosen), num_rows // num_parts + 1)
        own.sort()
        found.append(own[1:][own[1:] == own[:-1]])
        if len(own):
            known = _hashes(connection, table, table.qualified_name, chosen)
            found += [_common(own, np.sort(hashes)) for hashes in known]
    return np.unique(np.concatenate(found))


def _filled(batches: Iterator[Hashes], expected: int) -> Hashes:
    """All hashes in one array, which is filled as they come: to put millions together anew takes long.

    Args:
        batches: the hashes.
        expected: how many they are; of one part of many there may be more.
    """
    hashes, length = np.empty(expected, np.uint64), 0
    for batch in batches:
        if length + len(batch) > len(hashes):
            hashes = np.concatenate([hashes, np.empty(expected // 8 + len(batch), np.uint64)])
        hashes[length : length + len(batch)] = batch
        length += len(batch)
    return hashes[:length]


def _common(own: Hashes, known: Hashes) -> Hashes:
    """The hashes that both have. Both are sorted: of others each search would miss the cache."""
    return known[own[np.minimum(np.searchsorted(own, known), len(own) - 1)] == known]


def _hashes(connection: DuckDBPyConnection, table: Table, rows: str, chosen: str) -> Iterator[Hashes]:
    hashed = f"SELECT {hash_sql(table)} AS hash FROM {rows}"
    result = connection.execute(f"SELECT hash FROM ({hashed}) WHERE {chosen}")
    for batch in result.to_arrow_reader(HASHES_IN_A_BATCH):
        yield batch["hash"].to_numpy()


def supersede(connection: DuckDBPyConnection, table: Table, made: Corrections) -> None:
    """Keep what is corrected as it was known before."""
    columns = ", ".join(table.column_names)
    old = ", ".join(f"old.{name}" for name in table.column_names)
    connection.execute(
        f"INSERT INTO {table.schema}.superseded_{table.name} ({columns}, superseded_at) "
        f"SELECT {old}, new.ingested_at FROM {made.known} AS old JOIN {made.fresh} AS new "
        f"ON {_same_key(table)}"
    )


def merge(connection: DuckDBPyConnection, table: Table, fresh: str) -> None:
    """Insert rows with new keys, and let corrections take the place of the rows with theirs.

    What the store had made of a row that is corrected (an item's texts) goes.
    """
    given = ["source", "ingested_at", "run_id"]
    filled = list(dict.fromkeys([*table.stored, *given]))
    values = {name: f"new.{name}" if name in filled else "NULL" for name in table.column_names}
    if table is INTERACTIONS:
        values["interaction_id"] = (
            f"CASE WHEN {_is_moved('old', 'new')} THEN {moved_id('new.interaction_id')} "
            "ELSE new.interaction_id END"
        )
    connection.execute(
        f"MERGE INTO {table.qualified_name} AS old USING {fresh} AS new ON {_same_key(table)} "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = {value}' for name, value in values.items())} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(filled)}) VALUES ({', '.join(f'new.{n}' for n in filled)})"
    )


def _is_moved(old: str, new: str) -> str:
    return f"{old}.user_key <> {new}.user_key AND NOT starts_with({new}.interaction_id, '{MOVED}')"


def _same_key(table: Table) -> str:
    return " AND ".join(f"old.{name} = new.{name}" for name in table.key)


def moved_id(interaction_id: str) -> str:
    """Write the SQL of the id that an event has once a correction has given it to another user."""
    return f"'{MOVED}' || md5({interaction_id})"
