"""Which of the files that are offered are known already, and what a new reading of the others replaces."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from feature_store.intake.file_names import nameless_sql
from feature_store.intake.ledger import LEDGER
from feature_store.intake.offers import Entry, Offer, Offering
from feature_store.lake.lake import Lake
from feature_store.lake.sql import arrow_rows, quote
from feature_store.schemas import IN_THE_FUTURE, INTERACTIONS, ITEMS, NO_ITEM, REJECTED_ROWS

_OFFERED = pa.schema(
    [("place", pa.int32())]
    + [(name, pa.string()) for name in ("source", "table_name", "sha256", "file", "reading")]
)
_IS_AWAITED = f"""(
    EXISTS (FROM {REJECTED_ROWS.qualified_name} AS refused
            WHERE refused.source = entry.source AND refused.sha256 = entry.sha256
                AND refused.ingested_at = entry.ingested_at AND refused.reason = {quote(IN_THE_FUTURE)})
    AND now() >= entry.ingested_at + greatest(INTERVAL 1 DAY, entry.ingested_at - (
        SELECT min(first.ingested_at) FROM {LEDGER} AS first
        WHERE first.source = entry.source AND first.sha256 = entry.sha256))
)"""
"""SQL: whether records of a log that a clock called future ones are to be looked at again.

A day later, then after twice as long each time: those of a broken log are in the future for ever.
"""
_STILL_COUNTS = f"""(
    (entry.file <> entry.offered_file AND {nameless_sql("entry.file")})
    OR ((entry.file = entry.offered_file OR entry.user_key IS NOT NULL)
        AND NOT EXISTS (FROM {LEDGER} AS later
                        WHERE later.source = entry.source AND later.table_name = entry.table_name
                            AND later.file = entry.file AND later.ingested_at > entry.ingested_at))
)"""
"""SQL: whether this is the last that a catalogue by that name said, or nobody can tell its name any more."""
_MAY_HAVE_ITS_ITEMS = f"""(
    entry.ingested_at < (SELECT max(ingested_at) FROM {ITEMS.qualified_name})
    AND EXISTS (FROM {REJECTED_ROWS.qualified_name} AS refused
                WHERE refused.source = entry.source AND refused.sha256 = entry.sha256
                    AND refused.reason = {quote(NO_ITEM)})
)"""
"""SQL: whether items have come since a file was taken in of which some records waited for theirs."""
_IS_ALL_REFUSED = f"""(
    SELECT sum(each.rejected) > 0 AND sum(each.rejected) = sum(each.rows_read) FROM {LEDGER} AS each
    WHERE each.source = entry.source AND each.table_name = entry.table_name
        AND each.sha256 = entry.sha256 AND each.reading = entry.reading
)"""
_LAST = f"""
    SELECT offered.place, offered.file AS offered_file, offered.reading AS offered_reading, known.*
    FROM offered JOIN {LEDGER} AS known USING (source, table_name, sha256)
    QUALIFY row_number() OVER (
        PARTITION BY offered.place
        ORDER BY known.reading = offered.reading DESC, known.file = offered.file DESC, known.ingested_at DESC
    ) = 1
"""
"""SQL: of each file the last entry of its content: of its reading, if there is one, for other files of the
content may be read otherwise, where their folders tell of what; and by its name, if there is one, for each of
several catalogues of one content is a delivery."""


@dataclass(frozen=True)
class Known:
    """A file that was taken in already, as it is read now."""

    is_all_refused: bool
    """Whether nothing of it was taken in."""


def find_known(lake: Lake, offers: Sequence[Offer]) -> dict[int, Known]:
    """Tell which contents were taken in already, as they are read now, by their places among the offers.

    Of a log once is enough, unless records of it were in the future by then and may not be now.
    Of a catalogue the last delivery counts: content that was there before another one of the same name is
    taken in again; so are records of it that waited for items which may have come.
    """
    if not offers:
        return {}
    is_log = offers[0].file.table == INTERACTIONS.name
    counts = f"NOT {_IS_AWAITED}" if is_log else f"{_STILL_COUNTS} AND NOT {_MAY_HAVE_ITS_ITEMS}"
    rows = _ask(
        lake,
        offers,
        f"SELECT place, {_IS_ALL_REFUSED} FROM ({_LAST}) AS entry "
        f"WHERE reading = offered_reading AND {counts}",
    )
    return {place: Known(is_all_refused) for place, is_all_refused in rows}


def with_awaited(lake: Lake, offers: Sequence[Offer]) -> list[Offer]:
    """The catalogues, marked where all is known of them but records whose items may have come."""
    if not any(offer.file.is_supplement for offer in offers):
        return [*offers]
    rows = _ask(
        lake,
        offers,
        f"SELECT place FROM ({_LAST}) AS entry "
        f"WHERE reading = offered_reading AND {_STILL_COUNTS} AND {_MAY_HAVE_ITS_ITEMS}",
    )
    awaited = {place for (place,) in rows}
    return [replace(offer, is_awaited=place in awaited) for place, offer in enumerate(offers)]


def with_earlier(lake: Lake, offers: Sequence[Offer], offering: Collection[Offering]) -> list[Offer]:
    """The offers with what a new reading of them replaces: of the file, and of a source renamed since.

    An entry of this very file, read as it is now and only not its last delivery, stays. What was read of a
    file while it was being written, half a line with it, makes room for the whole.

    Args:
        lake: whose ledger it is.
        offers: files of one table.
        offering: all files that are offered tonight: another source that offers the same content keeps its
            rows, and so does another file that is read by what its own folders tell.
    """
    if not offers:
        return []
    rows = _ask(
        lake,
        offers,
        "SELECT place, known.source, sha256, known.reading, known.ingested_at, "
        "bool_or(known.reading = offered.reading AND known.source = offered.source) "
        f"FROM offered JOIN {LEDGER} AS known USING (table_name, sha256) WHERE known.reading <> '' "
        "GROUP BY ALL ORDER BY known.ingested_at",
    )
    earlier = defaultdict(list)
    contents = {(source, sha256) for source, sha256, _ in offering}
    for place, source, sha256, reading, ingested_at, is_read_so in rows:
        is_own = source == offers[place].file.source
        is_kept = (source, sha256, reading) in offering if is_own else (source, sha256) in contents
        if not is_kept and not is_read_so:
            earlier[place].append(Entry(source, sha256, ingested_at))
    for place, entry in _cut_in_a_line(lake, offers):
        earlier[place].append(entry)
    return [replace(offer, earlier=tuple(earlier[place])) for place, offer in enumerate(offers)]


def _cut_in_a_line(lake: Lake, offers: Sequence[Offer]) -> Iterator[tuple[int, Entry]]:
    """What was taken in of files by the same names that have grown since, in the middle of a line."""
    rows = _ask(
        lake,
        offers,
        "SELECT place, known.source, known.sha256, known.ingested_at, known.size_bytes "
        f"FROM offered JOIN {LEDGER} AS known USING (source, table_name, file) "
        "WHERE known.reading <> '' AND known.sha256 <> offered.sha256 AND known.size_bytes IS NOT NULL "
        "ORDER BY known.ingested_at",
    )
    for place, source, sha256, ingested_at, size_bytes in rows:
        if offers[place].goes_on_in_a_line(sha256, size_bytes):
            yield place, Entry(source, sha256, ingested_at)


def all_entries(lake: Lake, table: str, sources: Collection[str]) -> tuple[Entry, ...]:
    """All entries of some sources whose rows count."""
    rows = lake.query(
        f"SELECT DISTINCT source, sha256, ingested_at FROM {LEDGER} "
        "WHERE table_name = ? AND list_contains(?, source) AND reading <> '' ORDER BY ingested_at",
        [table, list(sources)],
    ).to_pylist()
    return tuple(Entry(**row) for row in rows)


def _ask(lake: Lake, offers: Sequence[Offer], sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query that has the offers as `offered`."""
    rows = [
        (place, one.file.source, one.file.table, one.sha256, one.file.name, one.file.reading)
        for place, one in enumerate(offers)
    ]
    connection = lake.cursor()
    connection.register("offered", arrow_rows(_OFFERED, rows))
    return connection.execute(sql).fetchall()
