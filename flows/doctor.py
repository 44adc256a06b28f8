"""Checking the workspace at rest: `fan doctor`."""

from collections.abc import Iterator

from feature_store.checks import Finding, check_images, check_tables, check_vectors
from flows.settings import Settings
from flows.workspace import open_lake, open_workspace


def examine(settings: Settings) -> Iterator[Finding]:
    """Check every promise that can be checked at rest."""
    lake, workspace = open_lake(settings, read_only=True), open_workspace(settings)
    yield from check_tables(lake)
    yield check_images(lake, workspace.root)
    yield from check_vectors(lake, workspace.references)


def describe(finding: Finding) -> str:
    """Say in one line what was checked and what to do."""
    if not finding.num_offenders:
        return f"  kept     {finding.promise}"
    example = f", for one {finding.example}" if finding.example else ""
    return f"  BROKEN   {finding.promise}: {finding.num_offenders:,} times{example}; {finding.remedy}"
