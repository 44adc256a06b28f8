"""What a night did and where to look, for the person at the terminal."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from feature_store.schemas.addresses import without_secrets
from feature_store.tables.notes import Note
from feature_store.tables.runs import RunRecord
from flows.environment import NO_TELEMETRY_OF_MLFLOW, NO_TELEMETRY_OF_PREFECT
from flows.settings import Settings
from flows.workspace import open_workspace

MOST_NOTES = 10
"""Of each kind; all of them are in the table `notes`."""
PICTURES = "select user_id, item_id, status, image_path from artworks limit 10"


def summarize(
    settings: Settings, night: RunRecord, stages: Sequence[str], settings_file: Path | None = None
) -> str:
    """Say what the stages did; after publishing, also where to look.

    Args:
        settings: of the night.
        night: what is noted of the run.
        stages: those to speak of.
        settings_file: the file named on the command line, for commands that look at the same lake.
    """
    lines = ["", f"Run {night.run_id}: {night.status}"]
    lines += [_stage_line(stage, night) for stage in stages]
    if "ingest" in stages:
        lines += _notes(night.notes)
    if "publish" in stages:
        lines += ["", *_totals(night), "", *_where_to_look(settings, settings_file)]
    return "\n".join(lines)


def _stage_line(stage: str, night: RunRecord) -> str:
    counts = night.counts.get(stage, {})
    words = (
        ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in counts.items()) or "nothing to do"
    )
    return f"  {stage:<9} {night.seconds.get(stage, 0.0):7.1f} s   {words}"


def _notes(notes: Sequence[Note]) -> list[str]:
    """What there is to know about the files, faults first, some of each kind."""
    lines = []
    for severity in ("fault", "warning", "note"):
        told = [note.message for note in notes if note.severity == severity]
        lines += [f"  {severity:<9} {message}" for message in told[:MOST_NOTES]]
        if len(told) > MOST_NOTES:
            lines.append(f'  {severity:<9} and {len(told) - MOST_NOTES} more: fan query "from notes"')
    return ["", *lines] if lines else []


def _totals(night: RunRecord) -> list[str]:
    counts = {stage: night.counts.get(stage, {}) for stage in ("embed", "generate", "publish")}
    drawn = counts["generate"].get("generated", 0)
    targets = counts["publish"].get("targets", 0)
    missing = counts["generate"].get("failed", 0) + counts["generate"].get("flagged", 0)
    users, references = counts["publish"].get("users", 0), counts["embed"].get("references", 0)
    lines = [
        f"  users {users:,}, targets {targets:,}, references {references:,}",
        f"  pictures drawn {drawn:,}, reused {targets - drawn - missing:,}, failed or flagged {missing:,}",
    ]
    is_still = not drawn and not missing
    return [*lines, "  nothing had to be drawn: no profile, text or setting changed"] if is_still else lines


def _where_to_look(settings: Settings, settings_file: Path | None) -> list[str]:
    workspace = open_workspace(settings)
    same_settings = f" --settings {shlex.quote(str(settings_file))}" if settings_file else ""
    return [
        "Look at",
        f"  gallery   {workspace.gallery}",
        f'  DuckDB    {_command("fan")} query "{PICTURES}"{same_settings}',
        f"  MLflow    {_mlflow(without_secrets(settings.model.tracking_uri or workspace.tracking_uri))}",
        f"  Prefect   {_prefect(workspace.prefect)}",
    ]


def _mlflow(tracking_uri: str) -> str:
    """Return the page of a server that runs, or what starts one on a database."""
    if tracking_uri.startswith(("http://", "https://")):
        return tracking_uri
    start = f"{_command('mlflow')} ui --backend-store-uri {shlex.quote(tracking_uri)}"
    return f"{_assign(NO_TELEMETRY_OF_MLFLOW)} {start}"


def _prefect(home: Path) -> str:
    """Return the page of the server that is configured, or what starts one on the workspace's database."""
    api = os.environ.get("PREFECT_API_URL")
    if api:
        return without_secrets(api).removesuffix("/").removesuffix("/api")
    start = f"PREFECT_HOME={shlex.quote(str(home))} {_command('prefect')} server start"
    return f"{_assign(NO_TELEMETRY_OF_PREFECT)} {start}"


def _assign(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in variables.items())


def _command(name: str) -> str:
    """Write a command of this environment so that it runs as copied, also where that is not active."""
    path = Path(sys.executable).parent / name
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
