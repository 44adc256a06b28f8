"""Checks of the store at rest: promises that can be looked up, each with what to do where it is broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from feature_store.lake.lake import Lake
from feature_store.lake.sql import quote
from feature_store.lake.stored_files import StoredFiles
from feature_store.schemas import EVALUATION_RESULTS, TABLES, USERS
from feature_store.tables.item_pictures.reference_pictures import read_checksums
from feature_store.tables.runs import ENDED
from feature_store.upkeep.erasure import is_forgetting_unfinished
from feature_store.upkeep.maintenance import lost_pictures
from feature_store.vectors.picture_vectors import PictureStore
from feature_store.vectors.reference_store import ReferenceStoreError, open_as_it_is
from feature_store.vectors.segment_copies import MissingSegmentError, SegmentCopies

REDO = "run `fan nightly`: it makes anew what is missing"
RESTORE = "the lake was changed by hand, or damaged: restore the workspace with `fan restore BACKUP`"
LOOK_AGAIN = "run `fan maintain`, then `fan nightly`: pictures are looked at again"
REBUILD = "run `fan embed --rebuild`, then `fan nightly`: texts are encoded anew, and profiles selected"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A promise about the tables."""

    text: str
    """What holds if it is kept."""
    offenders: str
    """SQL that counts the rows that break it, in one row or more."""
    remedy: str = RESTORE


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found."""

    promise: str
    num_offenders: int
    remedy: str
    example: str = ""
    """One of the offenders: a path or an id of a text, never of a user."""
    is_broken: bool = True
    """Whether offenders break the promise, or only tell what will be done."""


_ALL_KEYS = " UNION ALL ".join(
    f"SELECT user_key FROM {table.qualified_name} WHERE user_key IS NOT NULL"
    for table in TABLES
    if table.has_users and table not in (USERS, EVALUATION_RESULTS)
)

PROMISES = (
    Promise(
        text="of every source file, each row is accounted for",
        offenders="SELECT count(*) FROM keyed.ingested_files "
        "WHERE rows_read <> accepted + duplicate + rejected",
    ),
    Promise(
        text="every refused row is kept with its reason",
        offenders="""
            SELECT count(*)
            FROM (SELECT source, sha256, sum(rejected) AS n FROM keyed.ingested_files GROUP BY ALL)
            LEFT JOIN (SELECT source, sha256, count(*) AS kept FROM keyed.rejected_rows GROUP BY ALL)
            USING (source, sha256) WHERE n <> coalesce(kept, 0)""",
    ),
    Promise(
        text="every accepted row is there, or was superseded, or its user was forgotten",
        offenders="""
            WITH kept AS (
                SELECT 'interactions' AS table_name, source, ingested_at FROM keyed.interactions
                UNION ALL SELECT 'interactions', source, ingested_at FROM keyed.superseded_interactions
                UNION ALL SELECT 'items', source, ingested_at FROM items
                UNION ALL SELECT 'items', source, ingested_at FROM superseded_items
            )
            SELECT count(*) FROM (SELECT *, count(*) AS num_kept FROM kept GROUP BY ALL)
            FULL JOIN (SELECT table_name, source, ingested_at, sum(accepted) AS num_accepted
                       FROM keyed.ingested_files WHERE table_name IN ('interactions', 'items') GROUP BY ALL)
            USING (table_name, source, ingested_at)
            WHERE coalesce(num_kept, 0) <> coalesce(num_accepted, 0)""",
    ),
    Promise(
        text="every event is there once",
        offenders="SELECT count(*) - count(DISTINCT (source, interaction_id)) FROM keyed.interactions",
    ),
    Promise(
        text="every item is there once", offenders="SELECT count(*) - count(DISTINCT item_id) FROM items"
    ),
    Promise(
        text="every row of a user has a key that users knows, and every user one key",
        offenders=f"""
            SELECT count(DISTINCT user_key) FROM ({_ALL_KEYS}) ANTI JOIN keyed.users USING (user_key)
            UNION ALL SELECT 2 * count(*) - count(DISTINCT user_key) - count(DISTINCT user_id)
            FROM keyed.users""",
    ),
    Promise(
        text="the windows of the runs follow one another without a gap",
        offenders="""
            SELECT count(*) FROM (
                SELECT window_start, lag(window_end) OVER (ORDER BY window_end) AS window_before FROM runs
            ) WHERE window_start IS DISTINCT FROM window_before""",
    ),
    Promise(
        text="at most one run is open",
        offenders="SELECT greatest(count(*) - 1, 0) FROM runs "
        f"WHERE status NOT IN ({', '.join(map(quote, ENDED))})",
    ),
    Promise(
        text="every published artwork has its target, and no target of its user is without one",
        offenders="""
            SELECT count(*) FROM (SELECT user_key, item_id, count(*) AS n FROM artworks GROUP BY ALL)
            FULL JOIN (FROM targets SEMI JOIN artworks USING (user_key)) AS t USING (user_key, item_id)
            WHERE n IS DISTINCT FROM 1 OR t.rank IS NULL""",
        remedy=REDO,
    ),
    Promise(
        text="every published artwork was drawn from the published profile",
        offenders="""
            SELECT count(*) FROM artworks AS a
            LEFT JOIN (FROM profiles WHERE position = 1) AS p
            ON p.user_key = a.user_key AND p.item_id = a.item_id
            WHERE a.profile_digest <> coalesce(p.profile_digest, 'none')""",
        remedy=REDO,
    ),
    Promise(
        text="every reference of a history is of before the profile's time",
        offenders="""
            SELECT count(*) FROM profiles AS p
            ANTI JOIN (SELECT * FROM keyed.interactions UNION ALL SELECT * EXCLUDE superseded_at
                       FROM keyed.superseded_interactions) AS e
            ON e.user_key = p.user_key AND e.item_id = p.reference_item_id AND e.event_time < p.as_of
            WHERE p.origin = 'history'""",
    ),
)


def check_reading(lake: Lake) -> Finding:
    """Read every value of every table; where that fails, no other check can tell anything."""
    unreadable = ""
    for relation in sorted(lake.relations()):
        try:
            lake.query(f"SELECT bit_xor(hash(every_row)) AS digest FROM {relation} AS every_row")
        except duckdb.Error as error:
            unreadable = unreadable or f"{relation}: {str(error).splitlines()[0]}"
    return Finding(
        promise="every table can be read",
        num_offenders=int(bool(unreadable)),
        remedy=RESTORE,
        example=unreadable,
    )


def check_forgetting(lake: Lake) -> Finding:
    """Look for a user who was taken out of the tables, but not yet out of what was before."""
    return Finding(
        promise="nobody is forgotten half-way",
        num_offenders=int(is_forgetting_unfinished(lake)),
        remedy="run `fan maintain`: it finishes what a stopped `fan forget` left",
    )


def check_tables(lake: Lake) -> Iterator[Finding]:
    """Look up every promise about the tables."""
    for promise in PROMISES:
        counts = lake.cursor().execute(promise.offenders).fetchall()
        yield Finding(
            promise=promise.text, num_offenders=sum(row[0] for row in counts), remedy=promise.remedy
        )


def check_images(lake: Lake, files: StoredFiles) -> Finding:
    """Compare the file of every published artwork with its checksum, and look for its plain twin."""
    wrong = list(lost_pictures(lake, files, "artworks"))
    return Finding(
        promise="every artwork has its file, with its checksum, and its plain twin",
        num_offenders=len(wrong),
        remedy="run `fan maintain`, then `fan nightly`: they are drawn again",
        example=wrong[0].image_path if wrong else "",
    )


def check_vectors(lake: Lake, folder: Path, copies: SegmentCopies | None = None) -> Iterator[Finding]:
    """Read the reference store, and look for the vectors of every published profile."""
    promise = "the reference store is readable and undamaged"
    try:
        store = open_as_it_is(folder, copies, afresh=True)
    except (ReferenceStoreError, MissingSegmentError) as error:
        yield Finding(promise=promise, num_offenders=1, remedy=str(error))
        return
    yield Finding(promise=promise, num_offenders=0, remedy="")
    used = lake.query(
        "SELECT reference_id AS id FROM profiles UNION SELECT target_id FROM artworks "
        "WHERE target_id IS NOT NULL AND num_references + num_images > 0"
    )["id"].to_numpy()
    missing = store.missing(used) if store else np.unique(used)
    yield Finding(
        promise="every profile has the vectors of its texts",
        num_offenders=len(missing),
        remedy="run `fan embed`",
        example=f"text {missing[0]}" if len(missing) else "",
    )
    fingerprint = store.encoder_fingerprint if store else ""
    foreign = lake.query("SELECT count(*) AS n FROM profiles WHERE encoder_fingerprint <> ?", [fingerprint])
    yield Finding(
        promise="every profile was selected by the vectors of the encoder in the store",
        num_offenders=foreign["n"][0].as_py(),
        remedy=REBUILD,
    )


def check_picture_store(lake: Lake, folder: Path, copies: SegmentCopies | None = None) -> Iterator[Finding]:
    """Read what the image encoder saw of pictures, if anything was kept, and look for every picture."""
    promise = "what the image encoder saw of pictures is readable and undamaged"
    try:
        store = open_as_it_is(folder, copies, afresh=True)
    except (ReferenceStoreError, MissingSegmentError):
        yield Finding(promise=promise, num_offenders=1, remedy=LOOK_AGAIN)
        return
    yield Finding(promise=promise, num_offenders=0, remedy="")
    missing = PictureStore(store).missing(read_checksums(lake)) if store else []
    yield Finding(
        promise="every picture that acts was seen by the image encoder",
        num_offenders=len(missing),
        remedy="run `fan embed`",
        example=f"picture {missing[0][:12]}" if missing else "",
    )
