"""Serving the nightly by the clock."""

from pathlib import Path

from flows.nightly import nightly


def serve_nightly(cron: str, settings_file: Path | None) -> None:
    """Run the nightly at the times of a cron expression (UTC), until the process is stopped."""
    parameters = {"settings_file": str(settings_file.resolve())} if settings_file else {}
    nightly.serve(name="nightly", cron=cron, parameters=parameters, limit=1)
