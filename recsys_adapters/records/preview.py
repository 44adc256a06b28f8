"""The first records of a file, read as a night would read them: how many are refused, and why."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from feature_store.schemas.table import missing
from recsys_adapters.records.source_file import SourceFile

NO_TITLE = missing("title").reason


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would become of the first records of a file."""

    num_accepted: int
    refused: Mapping[str, int] = field(default_factory=dict)
    """Records by the reason of their refusal, the most frequent first."""
    item_fields: frozenset[str] = frozenset()
    """Fields that templates may name, of a file of items."""

    @property
    def num_records(self) -> int:
        """Records that were looked at."""
        return self.num_accepted + sum(self.refused.values())


def preview(file: SourceFile, *, num_records: int) -> Preview:
    """Read the first records of a file, and keep nothing.

    Args:
        file: as its source offers it.
        num_records: how many to look at.

    Raises:
        SourceFileError: if the file lacks a column or is not of its format.
    """
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    fields = "fields" if file.table == "items" else "NULL"
    rows = connection.execute(
        f"SELECT reason, {fields} AS fields FROM ({file.examine().records(connection)}) LIMIT {num_records}"
    ).fetchall()
    if file.is_supplement:
        # Its titles are those of other catalogues, which are not at hand.
        rows = [(None if reason == NO_TITLE else reason, told) for reason, told in rows]
    reasons = Counter(reason for reason, _ in rows)
    num_accepted = reasons.pop(None, 0)
    accepted = [told for reason, told in rows if reason is None and told]
    return Preview(
        num_accepted=num_accepted,
        refused=dict(reasons.most_common()),
        item_fields=frozenset(name for told in accepted for name in json.loads(told)),
    )
