"""Checking the workspace at rest: `fan doctor`."""

from collections.abc import Iterator
from dataclasses import replace

import duckdb

from feature_store.lake.lake import LakeError
from feature_store.upkeep.checks import (
    RESTORE,
    Finding,
    check_forgetting,
    check_images,
    check_picture_store,
    check_reading,
    check_tables,
    check_vectors,
)
from feature_store.upkeep.inventory import UnreadableInventoryError
from flows.commands.crowd_renewal import look_at_crowd
from flows.keeping.kept_files import KINDS, NOT_LOOKED_AT, kept_files, kind_of, open_inventory
from flows.night_lock import is_held
from flows.settings import Settings
from flows.workspace import open_lake, open_workspace


def examine(settings: Settings, *, is_deep: bool = False) -> Iterator[Finding]:
    """Check every promise that can be checked at rest; of the lake only the first, if it cannot be read.

    Args:
        settings: whose workspace.
        is_deep: whether every file is compared with its checksum.
    """
    if is_deep:
        yield from check_files(settings)
    try:
        yield from _examine_lake(settings)
    except (duckdb.Error, LakeError) as error:
        # A query on a damaged lake may fail in as many ways as there are bits.
        if not is_deep and isinstance(error, LakeError):
            raise
        yield Finding(promise="the lake can be read", num_offenders=1, remedy=RESTORE)


def _examine_lake(settings: Settings) -> Iterator[Finding]:
    lake, workspace = open_lake(settings, read_only=True), open_workspace(settings)
    readable = check_reading(lake)
    yield readable
    if readable.num_offenders:
        return
    yield from check_tables(lake)
    yield replace(check_forgetting(lake), is_broken=not is_held(settings))
    yield check_images(lake, workspace.files)
    vectors = list(check_vectors(lake, workspace.references, workspace.reference_copies))
    yield from vectors
    yield from check_picture_store(lake, workspace.reference_pictures, workspace.picture_copies)
    if not vectors[0].num_offenders:
        yield from check_crowd(settings)


def check_files(settings: Settings) -> Iterator[Finding]:
    """Compare every file that is kept with its checksum, kind by kind."""
    root = settings.workspace
    try:
        found = open_inventory(root).inspect(kept_files(root))
    except UnreadableInventoryError:
        remedy = "run `fan maintain`, which writes it anew"
        yield Finding(promise="the inventory of checksums is readable", num_offenders=1, remedy=remedy)
        return
    for what, remedy in dict.fromkeys((kind.what, kind.remedy) for kind in KINDS):
        damaged = [name for name in found.damaged if kind_of(name).what == what]
        yield Finding(
            promise=f"{what} are as they were written",
            num_offenders=len(damaged),
            remedy=remedy,
            example=damaged[0] if damaged else "",
        )
    new = found.num_new + len(found.written_since)
    yield Finding(
        promise="every file has a checksum of its latest state",
        num_offenders=new,
        remedy="a command was killed, or is at work: the next night, or `fan maintain`, takes them",
        is_broken=False,
    )


def say_what_was_left_out(*, is_deep: bool) -> str:
    """Say what the checks do not look at."""
    if is_deep:
        return f"  not looked at: {NOT_LOOKED_AT}"
    return f"  not looked at: the bytes of other files (`fan doctor --deep`), {NOT_LOOKED_AT}"


def check_crowd(settings: Settings) -> Iterator[Finding]:
    """Look whether what everybody likes is still near the crowd that pictures are contrasted with."""
    report = look_at_crowd(settings)
    if report.texts:
        yield Finding(
            promise="what everybody likes is near the crowd that pictures are contrasted with",
            num_offenders=int(report.change.is_due),
            remedy="the next night chooses another, if enough users like the same, and redraws up to "
            f"{report.num_personal:,} pictures; "
            "raise crowd.max_drift to choose the night yourself, with `fan crowd --renew`",
            is_broken=False,
        )


def describe(finding: Finding) -> str:
    """Say in one line what was checked and what to do."""
    if not finding.num_offenders:
        return f"  kept     {finding.promise}"
    example = f", for one {finding.example}" if finding.example else ""
    state = "BROKEN" if finding.is_broken else "DUE   "
    return f"  {state}   {finding.promise}: {finding.num_offenders:,} times{example}; {finding.remedy}"
