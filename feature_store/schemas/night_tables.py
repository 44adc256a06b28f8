"""What nights and evaluations make: profiles, artworks, what is up to date, runs, results."""

from feature_store.schemas.table import RECIPE_DIGEST, RUN_ID, Column, Table, user_key_column

PROFILES = Table(
    "profiles",
    "One row is one selected reference of one (user, target), in order of selection.",
    (
        user_key_column("for whom"),
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
        Column("encoder_fingerprint", "VARCHAR", "text encoder whose vectors were compared"),
        RECIPE_DIGEST,
        RUN_ID,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that the history was read from"),
    ),
    key=("user_key", "item_id", "position"),
    schema="night",
)

ARTWORKS = Table(
    "artworks",
    "One row is the picture of one (user, target).",
    (
        Column("artwork_id", "VARCHAR", "digest of user, item and artwork_digest"),
        user_key_column("for whom"),
        Column("item_id", "VARCHAR", "of what"),
        Column(
            "profile_digest", "VARCHAR", "profile that it was drawn from; 'none' where there was no history"
        ),
        Column("artwork_digest", "VARCHAR", "digest of all that the picture is made of", required=False),
        Column("image_path", "VARCHAR", "file, relative to the workspace", required=False),
        Column("image_sha256", "VARCHAR", "checksum of that file", required=False),
        Column("plain_image_path", "VARCHAR", "the same picture without personalization", required=False),
        Column(
            "visible_change",
            "DOUBLE",
            "mean colour difference of both (CIELAB, Delta E): 0 the same, 100 black beside white",
            required=False,
        ),
        Column("seed", "BIGINT", "seed of the picture's noise", required=False),
        Column("alpha", "DOUBLE", "degree of personalization: 0 target only, 1 references only"),
        Column(
            "contrast",
            "DOUBLE",
            "how far the picture goes along what sets the references apart from the crowd; "
            "empty: in the paper's way, by alpha",
            required=False,
        ),
        Column("num_references", "INTEGER", "references fused into the prompt"),
        Column("num_images", "INTEGER", "pictures of references that acted, beside the texts or alone"),
        Column(
            "tokens_cut",
            "INTEGER",
            "tokens beyond what the text encoder reads, for which fields of the prompt were cut; 0: none",
            required=False,
        ),
        Column("target_id", "BIGINT", "id of the prompt's text in the reference store", required=False),
        Column("model_version", "VARCHAR", "registered model that drew it"),
        Column("status", "VARCHAR", "generated, reused, flagged or failed"),
        Column("reason", "VARCHAR", "why it failed or was flagged", required=False),
        Column("drawn_at", "TIMESTAMPTZ", "when the row was written"),
        RECIPE_DIGEST,
        RUN_ID,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that the profile was read from"),
    ),
    key=("user_key", "item_id"),
    schema="night",
)

TARGET_STATES = Table(
    "target_states",
    "One row says that a user's targets are up to date; a new event of the user takes the row away.",
    (user_key_column("whose targets"), RECIPE_DIGEST, RUN_ID),
    key=("user_key",),
    schema="night",
)

PROFILE_STATES = Table(
    "profile_states",
    "One row says that the profile of a (user, target) is up to date, even if it is empty; a new event of "
    "the user takes the row away.",
    (
        user_key_column("for whom"),
        Column("item_id", "VARCHAR", "the target's item"),
        Column("profile_digest", "VARCHAR", "digest of the profile; 'none' where there was no history"),
        RECIPE_DIGEST,
        RUN_ID,
    ),
    key=("user_key", "item_id"),
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
        Column("status", "VARCHAR", "running, failed, published, or published with faults"),
        Column("counts", "VARCHAR", "JSON object: counts of each stage"),
        Column("seconds", "VARCHAR", "JSON object: seconds of each stage"),
        Column("reason", "VARCHAR", "why it failed, or what is missing (see notes)", required=False),
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
        user_key_column("whose pictures; empty: of all users together", required=False),
        Column("variant", "VARCHAR", "how the pictures were drawn"),
        Column(
            "variant_group",
            "VARCHAR",
            "baseline, ablation, alpha, contrast, layers, selection, peer or control",
        ),
        Column("alpha", "DOUBLE", "degree of personalization"),
        Column("selection", "VARCHAR", "how references were selected"),
        Column("measure", "VARCHAR", "what was measured"),
        Column("value", "DOUBLE", "its value, mean of the user's pictures; empty: undefined", required=False),
        Column("scale", "VARCHAR", "unit and range of the value"),
        Column("judge", "VARCHAR", "model that looked at pictures and texts"),
        Column("judge_fingerprint", "VARCHAR", "checksum of its weights"),
        Column("judge_is_independent", "BOOLEAN", "whether it has another text encoder than the image model"),
        Column("num_pictures", "INTEGER", "pictures that the value is the mean of"),
        Column("model_version", "VARCHAR", "registered model that drew them"),
        RECIPE_DIGEST,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that histories were read from"),
        Column("measured_at", "TIMESTAMPTZ", "when the row was written"),
    ),
    schema="keyed",
)

CROWDS = Table(
    "crowds",
    "One row is one of the few texts that stand for what everybody likes; the latest crowd is in use.",
    (
        Column("crowd_id", "VARCHAR", "digest of the texts and their weights"),
        Column("position", "INTEGER", "order of the texts, from 1"),
        Column("reference_id", "BIGINT", "id of the text in the reference store"),
        Column("text", "VARCHAR", "a text that many users like"),
        Column("weight", "DOUBLE", "what of the population it stands for; a crowd's weights sum to 1"),
        Column("num_users", "BIGINT", "users who liked it"),
        Column("as_of", "TIMESTAMPTZ", "what happened and was known before this time counted"),
        RECIPE_DIGEST,
        RUN_ID,
        Column("snapshot_id", "BIGINT", "snapshot of the lake that the population was read from"),
    ),
    key=("crowd_id", "as_of", "position"),
)

START_PICTURES = Table(
    "start_pictures",
    "One row is the own picture of an item that an artwork is wanted of, as a night last saw it; only where "
    "artworks begin as such pictures.",
    (
        Column("item_id", "VARCHAR", "the item"),
        Column("stock_image_uri", "VARCHAR", "where its picture is", required=False),
        Column(
            "picture_sha256", "VARCHAR", "checksum of its file; empty: drawn from texts alone", required=False
        ),
        Column("reason", "VARCHAR", "why it cannot be begun with", required=False),
        Column("seen_at", "TIMESTAMPTZ", "when a night looked"),
    ),
    key=("item_id",),
)

REFERENCE_PICTURES = Table(
    "reference_pictures",
    "One row is the own picture of an item that is in a history or that an artwork is wanted of, as a night "
    "last saw it; only where pictures act as references.",
    (
        Column("item_id", "VARCHAR", "the item"),
        Column("stock_image_uri", "VARCHAR", "where its picture is", required=False),
        Column(
            "picture_sha256",
            "VARCHAR",
            "checksum of its file, by which what the image encoder saw of it is kept; empty: it does not act",
            required=False,
        ),
        Column("reason", "VARCHAR", "why it does not act", required=False),
        Column("seen_at", "TIMESTAMPTZ", "when a night looked"),
    ),
    key=("item_id",),
)

DESCRIPTIONS = Table(
    "descriptions",
    "One row is what a vision-language model said of an item's own picture; of an item's rows the latest of "
    "its present address with a picture_sha256 counts, as the field style.",
    (
        Column("item_id", "VARCHAR", "the item"),
        Column("stock_image_uri", "VARCHAR", "where its picture was"),
        Column("picture_sha256", "VARCHAR", "checksum of its file; empty: it was refused", required=False),
        Column("describer_digest", "VARCHAR", "digest of the model, of what it was asked, and of limits"),
        Column("style", "VARCHAR", "phrases, joined by commas", required=False),
        Column("reason", "VARCHAR", "why there is no style", required=False),
        Column("described_at", "TIMESTAMPTZ", "when the row was written"),
    ),
    key=("item_id", "described_at"),
)
