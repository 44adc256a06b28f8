"""What a table of the lake is: its columns, what each means, and which rows are refused.

Rules are SQL conditions that hold for a row that must be refused; the first that holds is its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Column:
    """One column of a lake table."""

    name: str
    sql_type: str
    """DuckDB type, as DuckLake stores it."""
    comment: str
    """What the column means, shown to analysts by DuckDB."""
    required: bool = True


@dataclass(frozen=True)
class Rule:
    """A condition under which a staged row is refused."""

    reason: str
    """What `rejected_rows.reason` says; never contains a user's text."""
    broken: str
    """SQL over the staged columns, true (not NULL) for a row that breaks the rule."""


@dataclass(frozen=True)
class Table:
    """One lake table.

    `staged` names the columns that an adapter delivers; the store fills in the others (origin columns,
    digests and texts made from the settings' templates).
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    staged: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    """Columns that identify a row: a second row with the same key is a duplicate or a correction."""
    rules: tuple[Rule, ...] = ()
    schema: str = "main"
    """`keyed` for what is known of users, `night` for what a running night writes of them: readers see both
    under the plain name, by a view that translates their keys."""

    @property
    def qualified_name(self) -> str:
        """Schema and name, as SQL writes them."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in the order of the table."""
        return tuple(column.name for column in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns as Arrow has them."""
        return pa.schema([(column.name, ARROW_TYPES[column.sql_type]) for column in self.columns])

    def to_arrow(self, rows: Sequence[object]) -> pa.Table:
        """Write rows, each an object with an attribute for every column."""
        return pa.Table.from_pylist([vars(row) for row in rows], schema=self.arrow_schema)

    @property
    def staged_types(self) -> dict[str, str]:
        """DuckDB type of each staged column; what tells users apart is a text until it becomes a key."""
        types = {column.name: column.sql_type for column in self.columns} | {"user_id": "VARCHAR"}
        return {name: types[name] for name in self.staged}

    @property
    def stored(self) -> tuple[str, ...]:
        """The staged columns as they are stored: with the user's key in the place of the id."""
        return tuple("user_key" if name == "user_id" else name for name in self.staged)

    @property
    def has_users(self) -> bool:
        """Whether rows are about users."""
        return any(column.name == "user_key" for column in self.columns)

    @property
    def sql_types(self) -> dict[str, str]:
        """Type of each column, as DuckDB's catalogue writes it."""
        names = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
        return {column.name: names.get(column.sql_type, column.sql_type) for column in self.columns}


RUN_ID = Column("run_id", "VARCHAR", "run of the nightly flow that wrote the row")
RECIPE_DIGEST = Column("recipe_digest", "VARCHAR", "digest of the settings and model that the row depends on")
INGESTED_AT = Column("ingested_at", "TIMESTAMPTZ", "when the lake learnt of it")


def user_key_column(comment: str, *, required: bool = True) -> Column:
    """Describe the column that says whose a row is."""
    return Column("user_key", "BIGINT", comment, required=required)


SOURCE = Column("source", "VARCHAR", "adapter or recommender that delivered it")


def text_id(text: str) -> str:
    """Write the SQL of a text's id: the lower 63 bits of its MD5, the same in every run and workspace."""
    return f"(md5_number_lower({text}) & 9223372036854775807)::BIGINT"


def missing(column: str) -> Rule:
    """Refuse a row without a text in a column."""
    # Trimming costs more than all other rules together, and a text that starts with a letter needs none.
    is_plain = f"{column} >= '!' AND {column} < chr(128)"
    return Rule(
        f"{column} is missing", f"CASE WHEN {is_plain} THEN false ELSE coalesce(trim({column}), '') = '' END"
    )
