"""The tables of the lake, as adapters, the store and analysts know them.

Every time is UTC. `event_time` is when something happened, `ingested_at` when the lake learnt of it.
Users are pseudonyms: `users` alone knows whose a `user_key` is. Readers see every other table of users
through a view of its name that says `user_id`.

Adapters may import from here, and from nowhere else in the store.
"""

from feature_store.schemas.log_tables import (
    GIVEN_TARGETS,
    IN_THE_FUTURE,
    INGESTED_FILES,
    INTERACTIONS,
    ITEMS,
    NO_ITEM,
    NOTES,
    OPT_OUTS,
    REJECTED_ROWS,
    SUPERSEDED_INTERACTIONS,
    SUPERSEDED_ITEMS,
    SUPPRESSIONS,
    TARGET_LISTS,
    TARGETS,
    USERS,
)
from feature_store.schemas.night_tables import (
    ARTWORKS,
    CROWDS,
    DESCRIPTIONS,
    EVALUATION_RESULTS,
    PROFILE_STATES,
    PROFILES,
    REFERENCE_PICTURES,
    RUNS,
    START_PICTURES,
    TARGET_STATES,
)
from feature_store.schemas.table import Column, Rule, Table, text_id

__all__ = [
    "ARTWORKS",
    "CROWDS",
    "Column",
    "DESCRIPTIONS",
    "EVALUATION_RESULTS",
    "GIVEN_TARGETS",
    "INGESTED_FILES",
    "INTERACTIONS",
    "IN_THE_FUTURE",
    "ITEMS",
    "KEYED_TABLES",
    "NOTES",
    "NO_ITEM",
    "OPT_OUTS",
    "PROFILES",
    "PROFILE_STATES",
    "PUBLISHED_TABLES",
    "REFERENCE_PICTURES",
    "REJECTED_ROWS",
    "RUNS",
    "Rule",
    "START_PICTURES",
    "SUPERSEDED_INTERACTIONS",
    "SUPERSEDED_ITEMS",
    "SUPPRESSIONS",
    "TABLES",
    "TARGETS",
    "TARGET_LISTS",
    "TARGET_STATES",
    "Table",
    "USERS",
    "text_id",
]

TABLES = (
    USERS,
    INTERACTIONS,
    SUPERSEDED_INTERACTIONS,
    ITEMS,
    SUPERSEDED_ITEMS,
    TARGETS,
    TARGET_LISTS,
    TARGET_STATES,
    REJECTED_ROWS,
    INGESTED_FILES,
    NOTES,
    PROFILES,
    PROFILE_STATES,
    ARTWORKS,
    RUNS,
    EVALUATION_RESULTS,
    OPT_OUTS,
    SUPPRESSIONS,
    CROWDS,
    DESCRIPTIONS,
    START_PICTURES,
    REFERENCE_PICTURES,
)
KEYED_TABLES = tuple(table for table in TABLES if table.schema == "keyed")
"""Tables of schema `keyed`, whose views show readers what is known now."""
PUBLISHED_TABLES = (TARGETS, PROFILES, ARTWORKS)
"""Tables of schema `night` that publishing shows to readers."""
