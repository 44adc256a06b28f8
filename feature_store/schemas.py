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
    schema: str = "main"
    """`night` for what a running night writes; publishing shows it to readers under the plain name."""

    @property
    def qualified_name(self) -> str:
        """Schema and name, as SQL writes them."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in the order of the table."""
        return tuple(column.name for column in self.columns)

    @property
    def sql_types(self) -> dict[str, str]:
        """Type of each column, as DuckDB's catalogue writes it."""
        names = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
        return {column.name: names.get(column.sql_type, column.sql_type) for column in self.columns}


GIVEN_TARGETS = "given"
"""`recipe_digest` of targets that came in a recommendation list: no setting of ours made them."""

RUN_ID = Column("run_id", "VARCHAR", "run of the nightly flow that wrote the row")
RECIPE_DIGEST = Column("recipe_digest", "VARCHAR", "digest of the settings and model that the row depends on")
INGESTED_AT = Column("ingested_at", "TIMESTAMPTZ", "when the lake learnt of it")
SOURCE = Column("source", "VARCHAR", "adapter or recommender that delivered it")


def text_id(text: str) -> str:
    """Write the SQL of a text's id: the lower 63 bits of its MD5, the same in every run and workspace."""
    return f"(md5_number_lower({text}) & 9223372036854775807)::BIGINT"


def _missing(column: str) -> Rule:
    # Trimming costs more than all other rules together, and a text that starts with a letter needs none.
    is_plain = f"{column} >= '!' AND {column} < chr(128)"
    return Rule(
        f"{column} is missing", f"CASE WHEN {is_plain} THEN false ELSE coalesce(trim({column}), '') = '' END"
    )


INTERACTIONS = Table(
    "interactions",
    "One row is an event: a user did something with an item.",
    (
        Column(
            "interaction_id", "VARCHAR", "the source's own event id; else # and the MD5 of the other columns"
        ),
        Column("user_id", "VARCHAR", "who"),
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
    key=("user_id", "item_id"),
    rules=(
        _missing("user_id"),
        _missing("item_id"),
        Rule("rank is missing or below 1", "rank IS NULL OR rank < 1"),
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
    key=("user_id", "item_id", "ingested_at"),
)

SUPERSEDED_AT = Column("superseded_at", "TIMESTAMPTZ", "when a correction took the row's place")


def _superseded(table: Table) -> Table:
    """Describe the table that keeps the rows of `table` that a correction replaced."""
    return Table(
        f"superseded_{table.name}",
        f"One row is a row of {table.name} as it was known before a correction replaced it.",
        (*table.columns, SUPERSEDED_AT),
        key=(*table.key, "superseded_at"),
    )


SUPERSEDED_INTERACTIONS = _superseded(INTERACTIONS)
SUPERSEDED_ITEMS = _superseded(ITEMS)

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
        Column("rows_read", "BIGINT", "records in the file, without those of users who were forgotten"),
        Column("accepted", "BIGINT", "new or corrected rows"),
        Column("duplicate", "BIGINT", "rows known already, word for word"),
        Column("rejected", "BIGINT", "rows refused, kept in rejected_rows"),
        INGESTED_AT,
        RUN_ID,
    ),
)

PROFILES = Table(
    "profiles",
    "One row is one selected reference of one (user, target), in order of selection.",
    (
        Column("user_id", "VARCHAR", "for whom"),
        Column("item_id", "VARCHAR", "the target's item"),
        Column("position", "INTEGER", "order of selection, from 1"),
        Column("reference_item_id", "VARCHAR", "item that the reference stands for"),
        Column("reference_id", "BIGINT", "id of the reference's text in the reference store"),
        Column(
            "origin",
            "VARCHAR",
            "history: the user's own; neighbours: close to the target among what others liked",
        ),
        Column(
            "relevance",
            "DOUBLE",
            "weight times mean token cosine with the target (paper, tailored profiling)",
        ),
        Column("weight", "DOUBLE", "preference strength, added up over the user's events; above 0"),
        Column("as_of", "TIMESTAMPTZ", "only history before this time was looked at"),
        Column("history_size", "INTEGER", "references that there were to select from"),
        Column(
            "profile_digest", "VARCHAR", "digest of target, references and weights: same digest, same profile"
        ),
        Column("encoder_revision", "VARCHAR", "text encoder whose vectors were compared"),
        RECIPE_DIGEST,
        RUN_ID,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that the history was read from"),
    ),
    key=("user_id", "item_id", "position"),
    schema="night",
)

ARTWORKS = Table(
    "artworks",
    "One row is the picture of one (user, target).",
    (
        Column("artwork_id", "VARCHAR", "digest of user, item and artwork_digest"),
        Column("user_id", "VARCHAR", "for whom"),
        Column("item_id", "VARCHAR", "of what"),
        Column(
            "profile_digest", "VARCHAR", "profile that it was drawn from; 'none' where there was no history"
        ),
        Column("artwork_digest", "VARCHAR", "digest of all that the picture is made of", required=False),
        Column("image_path", "VARCHAR", "file, relative to the workspace", required=False),
        Column("image_sha256", "VARCHAR", "checksum of that file", required=False),
        Column("plain_image_path", "VARCHAR", "the same picture without personalization", required=False),
        Column("seed", "BIGINT", "seed of the picture's noise", required=False),
        Column("alpha", "DOUBLE", "degree of personalization: 0 target only, 1 references only"),
        Column("num_references", "INTEGER", "references fused into the prompt"),
        Column("target_id", "BIGINT", "id of the prompt's text in the reference store", required=False),
        Column("model_version", "VARCHAR", "registered model that drew it"),
        Column("status", "VARCHAR", "generated, reused, flagged or failed"),
        Column("reason", "VARCHAR", "why it failed or was flagged", required=False),
        Column("drawn_at", "TIMESTAMPTZ", "when the row was written"),
        RECIPE_DIGEST,
        RUN_ID,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that the profile was read from"),
    ),
    key=("user_id", "item_id"),
    schema="night",
)

TARGET_STATES = Table(
    "target_states",
    "One row says that a user's targets are up to date; a new event of the user takes the row away.",
    (Column("user_id", "VARCHAR", "whose targets"), RECIPE_DIGEST, RUN_ID),
    key=("user_id",),
    schema="night",
)

PROFILE_STATES = Table(
    "profile_states",
    "One row says that the profile of a (user, target) is up to date, even if it is empty; a new event of "
    "the user takes the row away.",
    (
        Column("user_id", "VARCHAR", "for whom"),
        Column("item_id", "VARCHAR", "the target's item"),
        Column("profile_digest", "VARCHAR", "digest of the profile; 'none' where there was no history"),
        RECIPE_DIGEST,
        RUN_ID,
    ),
    key=("user_id", "item_id"),
    schema="night",
)

RUNS = Table(
    "runs",
    "One row is a run of the nightly flow, from its first stage until it is published.",
    (
        RUN_ID,
        Column(
            "window_start", "TIMESTAMPTZ", "end of the window before; empty for the first run", required=False
        ),
        Column("window_end", "TIMESTAMPTZ", "what was known before this time counts"),
        Column("status", "VARCHAR", "running, failed or published"),
        Column("counts", "VARCHAR", "JSON object: counts of each stage"),
        Column("seconds", "VARCHAR", "JSON object: seconds of each stage"),
        Column("reason", "VARCHAR", "why it failed", required=False),
        Column("snapshot_id", "BIGINT", "snapshot that readers see since it was published", required=False),
    ),
    key=("run_id",),
)

EVALUATION_RESULTS = Table(
    "evaluation_results",
    "One row is the value of one measure of one variant for one user; rows are added and never changed.",
    (
        Column("run_id", "VARCHAR", "run of the evaluation that wrote the row"),
        Column("data_set", "VARCHAR", "whose histories: workspace, or a data set in a lake of its own"),
        Column("user_id", "VARCHAR", "whose pictures; empty: of all users together", required=False),
        Column("variant", "VARCHAR", "how the pictures were drawn"),
        Column("variant_group", "VARCHAR", "baseline, ablation, alpha, layers, selection or control"),
        Column("alpha", "DOUBLE", "degree of personalization"),
        Column("selection", "VARCHAR", "how references were selected"),
        Column("measure", "VARCHAR", "what was measured"),
        Column("value", "DOUBLE", "its value, mean of the user's pictures; empty: undefined", required=False),
        Column("scale", "VARCHAR", "unit and range of the value"),
        Column("judge", "VARCHAR", "model that looked at pictures and texts"),
        Column("judge_revision", "VARCHAR", "checksum of its weights"),
        Column("judge_is_independent", "BOOLEAN", "whether it has another text encoder than the image model"),
        Column("num_pictures", "INTEGER", "pictures that the value is the mean of"),
        Column("model_version", "VARCHAR", "registered model that drew them"),
        RECIPE_DIGEST,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that histories were read from"),
        Column("measured_at", "TIMESTAMPTZ", "when the row was written"),
    ),
)

OPT_OUTS = Table(
    "opt_outs",
    "One row is a user who wants no personalized pictures.",
    (
        Column("user_id", "VARCHAR", "who"),
        Column("opted_out_at", "TIMESTAMPTZ", "since when"),
    ),
    key=("user_id",),
)

TABLES = (
    INTERACTIONS,
    SUPERSEDED_INTERACTIONS,
    ITEMS,
    SUPERSEDED_ITEMS,
    TARGETS,
    TARGET_LISTS,
    TARGET_STATES,
    REJECTED_ROWS,
    INGESTED_FILES,
    PROFILES,
    PROFILE_STATES,
    ARTWORKS,
    RUNS,
    EVALUATION_RESULTS,
    OPT_OUTS,
)
PUBLISHED_TABLES = (TARGETS, PROFILES, ARTWORKS)
"""Tables of schema `night` that publishing shows to readers."""
