"""The crowd that nights contrast with, looked at and renewed: `fan crowd`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from feature_store.lake.lake import Lake
from feature_store.tables.artworks import count_personal
from feature_store.tables.crowds import CrowdRow
from feature_store.tables.runs import Run
from feature_store.vectors.reference_store import ReferenceStore, open_as_it_is
from flows.model.champion import load_champion
from flows.night_lock import hold_night
from flows.settings import Settings
from flows.stages.crowd import CrowdChange, crowd_change, current_crowd, pin_crowd
from flows.workspace import open_lake, open_references, open_workspace


@dataclass(frozen=True, kw_only=True)
class CrowdReport:
    """The crowd in use, how true it still is, and what another would cost."""

    texts: Sequence[CrowdRow]
    """Nothing if the population is too small for a crowd, or no night chose one yet."""
    change: CrowdChange
    """What has changed since it was chosen."""
    num_personal: int
    """Pictures that another crowd would redraw."""


class SmallPopulationError(RuntimeError):
    """There is nobody to contrast with."""


NO_CHANGE = CrowdChange(drift=0.0, max_drift=0.0, num_thin=0)
NO_CROWD = CrowdReport(texts=(), change=NO_CHANGE, num_personal=0)


def look_at_crowd(settings: Settings) -> CrowdReport:
    """Return the crowd in use, and how far what everybody likes has moved from it."""
    lake, workspace = open_lake(settings, read_only=True), open_workspace(settings)
    store = open_as_it_is(workspace.references, workspace.reference_copies)
    if store is None:
        return NO_CROWD
    return _report(settings, lake, store, datetime.now(UTC))


def renew_crowd(settings: Settings) -> CrowdReport:
    """Choose another crowd from what everybody likes now; the next night redraws every personal picture.

    Raises:
        NightInProgressError: if a night is running on the workspace.
        SmallPopulationError: if too few texts are liked by enough users.
    """
    now = datetime.now(UTC)
    run = Run(run_id=f"crowd-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}", window_start=None, window_end=now)
    with hold_night(settings):
        lake, artist = open_lake(settings), load_champion(settings).artist
        store = open_references(settings, encoder_fingerprint=artist.encoder_fingerprint, width=artist.width)
        if not pin_crowd(settings, lake, store, run, renew=True)["crowd_renewed"]:
            size, least = settings.crowd.size, settings.crowd.least_users
            raise SmallPopulationError(
                f"fewer than {size} texts are liked by {least} users each, so there is no crowd: lower "
                "crowd.size or crowd.least_users, or go on without"
            )
        return _report(settings, lake, store, now)


def describe_crowd(report: CrowdReport) -> str:
    """Say what everybody likes, for the person at the terminal."""
    if not report.texts:
        return "no crowd: no night chose one yet, or too few users like the same; nothing is contrasted"
    lines = [f"  {100 * row.weight:5.1f} %  {row.num_users:>9,} users  {row.text}" for row in report.texts]
    change = report.change
    due = "the next night chooses another, if enough users like the same"
    thin = [f"{change.num_thin} of its texts fewer users like by now than must"] if change.num_thin else []
    return "\n".join(
        [
            f"crowd {report.texts[0].crowd_id} of {report.texts[0].as_of:%Y-%m-%d %H:%M} UTC",
            *lines,
            *thin,
            f"moved by {change.drift:.4f} since, of {change.max_drift:g} at most: "
            f"{due if change.is_due else 'it stays in use'}",
            f"another crowd redraws up to {report.num_personal:,} personal pictures",
        ]
    )


def _report(settings: Settings, lake: Lake, store: ReferenceStore, now: datetime) -> CrowdReport:
    texts = current_crowd(settings, lake, store.encoder_fingerprint, now)
    return CrowdReport(
        texts=texts,
        change=crowd_change(settings, lake, store, texts, now) if texts else NO_CHANGE,
        num_personal=count_personal(lake),
    )
