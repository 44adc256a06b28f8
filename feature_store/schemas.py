"""The tables of the lake: their columns, what each column means, and which rows are refused.

Every time is UTC. `event_time` is when something happened, `ingested_at` when the lake learnt of it.
Rules are SQL conditions that hold for a row that must be refused; the first that holds is its reason.
"""

from dataclasses import dataclass


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

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in the order of the table."""
        return tuple(column.name for column in self.columns)


RUN_ID = Column("run_id", "VARCHAR", "run of the nightly flow that wrote the row")
INGESTED_AT = Column("ingested_at", "TIMESTAMPTZ", "when the lake learnt of it")
SOURCE = Column("source", "VARCHAR", "adapter or recommender that delivered it")


def _missing(column: str) -> Rule:
    return Rule(f"{column} is missing", f"coalesce(trim({column}), '') = ''")


INTERACTIONS = Table(
    "interactions",
    "One row is an event: a user did something with an item.",
    (
        Column("interaction_id", "UUID", "MD5 of the source's own event id, or of source, user, item, time, kind"),
        Column("user_id", "VARCHAR", "who"),
        Column("item_id", "VARCHAR", "with what"),
        Column("event_time", "TIMESTAMPTZ", "when it happened"),
        Column("kind", "VARCHAR", "rating, view, purchase, prompt, ..."),
        Column("weight", "DOUBLE", "preference strength; at or below zero is no preference"),
        SOURCE,
        INGESTED_AT,
        RUN_ID,
    ),
    staged=("interaction_id", "user_id", "item_id", "event_time", "kind", "weight"),
    key=("interaction_id",),
    rules=(
        _missing("user_id"),
        _missing("item_id"),
        Rule("event_time is missing or is not a time", "event_time IS NULL"),
        Rule(
            "event_time is before 1970 or in the future",
            "event_time < TIMESTAMPTZ '1970-01-01 00:00:00+00' OR event_time > now() + INTERVAL 1 DAY",
        ),
        _missing("kind"),
        Rule("weight is missing, or its kind has none in the settings", "weight IS NULL"),
        Rule("weight is not finite", "NOT isfinite(weight)"),
    ),
)

ITEMS = Table(
    "items",
    "One row is a catalogue entry, the latest known.",
    (
        Column("item_id", "VARCHAR", "the catalogue's id"),
        Column("title", "VARCHAR", "what people call it"),
        Column("fields", "VARCHAR", "JSON object of texts that the templates of the settings may name"),
        Column("reference_text", "VARCHAR", "how the item reads as a reference", required=False),
        Column("reference_id", "BIGINT", "id of reference_text in the reference store", required=False),
        Column("target_text", "VARCHAR", "how the item reads as a picture's prompt", required=False),
        Column("target_id", "BIGINT", "id of target_text in the reference store", required=False),
        Column("stock_image_uri", "VARCHAR", "the item's own picture, if it has one", required=False),
        SOURCE,
        INGESTED_AT,
        RUN_ID,
    ),
    staged=("item_id", "title", "fields", "stock_image_uri"),
    key=("item_id",),
    rules=(_missing("item_id"), _missing("title")),
)

TARGETS = Table(
    "targets",
    "One row is a picture wanted: an item about to be recommended to a user.",
    (
        Column("user_id", "VARCHAR", "for whom"),
        Column("item_id", "VARCHAR", "of what"),
        Column("rank", "INTEGER", "place in the user's list, from 1"),
        Column("score", "DOUBLE", "the recommender's score", required=False),
        Column("as_of", "TIMESTAMPTZ", "history before this time counts; empty: all that the run knows", required=False),
        SOURCE,
        RUN_ID,
    ),
    staged=("user_id", "item_id", "rank", "score", "as_of"),
    key=("user_id", "item_id"),
    rules=(
        _missing("user_id"),
        _missing("item_id"),
        Rule("rank is missing or below 1", "rank IS NULL OR rank < 1"),
        Rule("score is not finite", "score IS NOT NULL AND NOT isfinite(score)"),
    ),
)

REJECTED_ROWS = Table(
    "rejected_rows",
    "One row is a record of a source file that was refused, with the reason.",
    (
        SOURCE,
        Column("file", "VARCHAR", "file that it stood in"),
        Column("sha256", "VARCHAR", "content of that file"),
        Column("line", "BIGINT", "its line there, from 1", required=False),
        Column("reason", "VARCHAR", "why it was refused"),
        Column("raw", "VARCHAR", "the record as it stood there", required=False),
        INGESTED_AT,
        RUN_ID,
    ),
)

INGESTED_FILES = Table(
    "ingested_files",
    "One row is a source file taken in: rows_read = accepted + duplicate + rejected.",
    (
        SOURCE,
        Column("file", "VARCHAR", "name of the file"),
        Column("table_name", "VARCHAR", "table that it went into"),
        Column("sha256", "VARCHAR", "its content: the same content is taken in once"),
        Column("rows_read", "BIGINT", "records in the file"),
        Column("accepted", "BIGINT", "new or corrected rows"),
        Column("duplicate", "BIGINT", "rows known already, word for word"),
        Column("rejected", "BIGINT", "rows refused, kept in rejected_rows"),
        INGESTED_AT,
        RUN_ID,
    ),
)
