"""Checking the workspace at rest: `fan doctor`."""

from collections.abc import Iterator

from feature_store.upkeep.checks import (
    Finding,
    check_forgetting,
    check_images,
    check_reading,
    check_tables,
    check_vectors,
)
from flows.commands.crowd_renewal import look_at_crowd
from flows.settings import Settings
from flows.workspace import open_lake, open_workspace


def examine(settings: Settings) -> Iterator[Finding]:
    """Check every promise that can be checked at rest; only the first, if what is there cannot be read."""
    lake, workspace = open_lake(settings, read_only=True), open_workspace(settings)
    readable = check_reading(lake)
    yield readable
    if readable.num_offenders:
        return
    yield from check_tables(lake)
    yield check_forgetting(lake)
    yield check_images(lake, workspace.root)
    yield from check_vectors(lake, workspace.references)
    yield from check_crowd(settings)


def check_crowd(settings: Settings) -> Iterator[Finding]:
    """Look whether what everybody likes is still near the crowd that pictures are contrasted with."""
    report = look_at_crowd(settings)
    if report.texts:
        yield Finding(
            promise="what everybody likes is near the crowd that pictures are contrasted with",
            num_offenders=int(report.has_moved),
            remedy=f"the next night chooses another and redraws up to {report.num_personal:,} pictures; "
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
