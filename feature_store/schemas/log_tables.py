"""What sources deliver: users, interactions, items, targets, and the account of every file."""

from feature_store.schemas.table import (
    INGESTED_AT,
    RECIPE_DIGEST,
    RUN_ID,
    SOURCE,
    Column,
    Rule,
    Table,
    missing,
    user_key_column,
)

IN_THE_FUTURE = "event_time is in the future"
"""Reason of a refusal that time takes away: such records are looked at again."""
NO_ITEM = "no catalogue has the item"
"""Reason of a refusal that a catalogue takes away: such records are looked at again once items have come."""
GIVEN_TARGETS = "given"
"""`recipe_digest` of targets that came in a recommendation list: no setting of ours made them."""

USERS = Table(
    "users",
    "One row is a user's pseudonym. Nothing else in the lake, or beside it, holds a user's own id, but the "
    "text of records that were refused (rejected_rows.raw), which goes with its user.",
    (
        user_key_column("random number that stands for the user everywhere else"),
        Column("user_id", "VARCHAR", "who it is, as the sources write it"),
    ),
    key=("user_id",),
    schema="keyed",
)

INTERACTIONS = Table(
    "interactions",
    "One row is an event: a user did something with an item.",
    (
        Column(
            "interaction_id", "VARCHAR", "the source's own event id; else # and the MD5 of the other columns"
        ),
        user_key_column("who"),
        Column("item_id", "VARCHAR", "with what"),
        Column("event_time", "TIMESTAMPTZ", "when it happened"),
        Column("kind", "VARCHAR", "rating, view, purchase, prompt, ..."),
        Column("weight", "DOUBLE", "preference strength; at or below zero is no preference"),
        SOURCE,
        INGESTED_AT,
        RUN_ID,
    ),
    staged=("interaction_id", "user_id", "item_id", "event_time", "kind", "weight", "source"),
    key=("source", "interaction_id"),
    rules=(
        missing("user_id"),
        missing("item_id"),
        Rule("event_time is missing or is not a time", "event_time IS NULL"),
        Rule("event_time is before 1970", "event_time < TIMESTAMPTZ '1970-01-01 00:00:00+00'"),
        Rule(IN_THE_FUTURE, "event_time > now() + INTERVAL 1 DAY"),
        missing("kind"),
        Rule("weight is missing, or its kind has none in the settings", "weight IS NULL"),
        Rule("weight is not finite", "NOT isfinite(weight)"),
    ),
    schema="keyed",
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
        Column(
            "reference_cut",
            "INTEGER",
            "tokens beyond what the text encoder reads, for which its fields were shortened; 0: none",
            required=False,
        ),
        Column("target_text", "VARCHAR", "how the item reads as a picture's prompt", required=False),
        Column("target_id", "BIGINT", "id of target_text in the reference store", required=False),
        Column("target_cut", "INTEGER", "as reference_cut, of target_text", required=False),
        Column(
            "rendered_id",
            "BIGINT",
            "id of both texts before they were shortened, and of the text encoder they were shortened for",
            required=False,
        ),
        Column("stock_image_uri", "VARCHAR", "the item's own picture, if it has one", required=False),
        SOURCE,
        INGESTED_AT,
        RUN_ID,
    ),
    staged=("item_id", "title", "fields", "stock_image_uri"),
    key=("item_id",),
    rules=(missing("item_id"), missing("title")),
)

TARGETS = Table(
    "targets",
    "One row is a picture wanted: an item about to be recommended to a user.",
    (
        user_key_column("for whom"),
        Column("item_id", "VARCHAR", "of what"),
        Column("rank", "INTEGER", "place in the user's list, from 1"),
        Column("score", "DOUBLE", "the recommender's score", required=False),
        Column(
            "as_of",
            "TIMESTAMPTZ",
            "history before this time counts; empty: all that the run knows",
            required=False,
        ),
        SOURCE,
        RECIPE_DIGEST,
        RUN_ID,
    ),
    schema="night",
    staged=("user_id", "item_id", "rank", "score", "as_of"),
    key=("user_key", "item_id"),
    rules=(
        missing("user_id"),
        missing("item_id"),
        Rule("rank and score are missing", "rank IS NULL AND score IS NULL"),
        Rule("rank is below 0", "rank < 0"),
        Rule("score is not finite", "score IS NOT NULL AND NOT isfinite(score)"),
    ),
)

TARGET_LISTS = Table(
    "target_lists",
    "One row is a target as it was given or made at some time; of a user's lists the latest counts.",
    (
        *(column for column in TARGETS.columns if column.name != "run_id"),
        INGESTED_AT,
        RUN_ID,
    ),
    key=("user_key", "item_id", "ingested_at"),
    schema="keyed",
)

SUPERSEDED_AT = Column("superseded_at", "TIMESTAMPTZ", "when a correction took the row's place")


def _superseded(table: Table) -> Table:
    """Describe the table that keeps the rows of `table` that a correction replaced."""
    return Table(
        f"superseded_{table.name}",
        f"One row is a row of {table.name} as it was known before a correction replaced it.",
        (*table.columns, SUPERSEDED_AT),
        key=(*table.key, "superseded_at"),
        schema=table.schema,
    )


SUPERSEDED_INTERACTIONS = _superseded(INTERACTIONS)
SUPERSEDED_ITEMS = _superseded(ITEMS)

REJECTED_ROWS = Table(
    "rejected_rows",
    "One row is a record of a source file that was refused, with the reason.",
    (
        SOURCE,
        Column("file", "VARCHAR", "file that it stood in, as ingested_files names it"),
        Column("sha256", "VARCHAR", "content of that file"),
        Column("line", "BIGINT", "its line there, from 1", required=False),
        Column("reason", "VARCHAR", "why it was refused"),
        Column("raw", "VARCHAR", "the record as it stood there; gone once its user is", required=False),
        user_key_column("whose it is, where the record says so", required=False),
        INGESTED_AT,
        RUN_ID,
    ),
    schema="keyed",
)

INGESTED_FILES = Table(
    "ingested_files",
    "One row is a source file taken in: rows_read = accepted + duplicate + rejected.",
    (
        SOURCE,
        Column("file", "VARCHAR", "name of the file, with a key in the place of a user's id"),
        Column("table_name", "VARCHAR", "table that it went into"),
        Column("sha256", "VARCHAR", "its content"),
        Column(
            "reading",
            "VARCHAR",
            "digest of how it was read: the same content is taken in once by each; empty: read anew since, "
            "and its rows are superseded",
        ),
        Column("size_bytes", "BIGINT", "its size; of one in an archive, nothing", required=False),
        Column(
            "rows_read",
            "BIGINT",
            "records in the file, without those of users who were forgotten; of a file that is read again "
            "for items that came since, those of these items, which its first entry has no more",
        ),
        Column("accepted", "BIGINT", "new or corrected rows"),
        Column("duplicate", "BIGINT", "rows that add nothing: known already, or repeated in the file"),
        Column("rejected", "BIGINT", "rows refused, kept in rejected_rows"),
        user_key_column("whose file it is, where all its rows are one user's", required=False),
        INGESTED_AT,
        RUN_ID,
    ),
    schema="keyed",
)

NOTES = Table(
    "notes",
    "One row is something to know about what a run took in, for whoever wrote the settings.",
    (
        RUN_ID,
        Column(
            "severity", "VARCHAR", "fault: something is missing tonight; warning: look at it; note: as it is"
        ),
        SOURCE,
        Column("file", "VARCHAR", "file that it is about, as ingested_files names it", required=False),
        Column("message", "VARCHAR", "what it is, and what to do"),
        Column("noted_at", "TIMESTAMPTZ", "when it was noted"),
    ),
)

OPT_OUTS = Table(
    "opt_outs",
    "One row is a user who wants no personalized pictures.",
    (
        user_key_column("who"),
        Column("opted_out_at", "TIMESTAMPTZ", "since when"),
    ),
    key=("user_key",),
    schema="keyed",
)

SUPPRESSIONS = Table(
    "suppressions",
    "One row is a user who was forgotten, by a digest: what a log says of before does not bring them back.",
    (
        Column(
            "user_digest", "VARCHAR", "SHA-256 of the salt and the user's id, which cannot be read from it"
        ),
        Column("salt", "VARCHAR", "random, the same in all rows of a lake"),
        Column("erased_at", "TIMESTAMPTZ", "events of before are not taken in again"),
        Column("opted_out", "BOOLEAN", "whether the user opted out, which holds if they come back"),
    ),
    key=("user_digest",),
)
