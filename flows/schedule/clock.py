"""Serving the nightly by the clock."""

from pathlib import Path

from prefect.client.schemas.schedules import CronSchedule

from feature_store.schemas.addresses import without_secrets
from flows.schedule.nightly import nightly
from flows.schedule.server import use_server


class CronError(ValueError):
    """The times cannot be read."""


def check_cron(cron: str) -> None:
    """Look whether a cron expression can be read.

    Raises:
        CronError: if it cannot.
    """
    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise CronError(
            f'{cron!r} is no cron expression: write minute, hour, day, month and weekday, as "0 3 * * *"'
        ) from error


def serve_nightly(cron: str, settings_file: Path | None) -> None:
    """Run the nightly at the times of a cron expression (UTC), until the process is stopped.

    Raises:
        CronError: if the expression is none.
        ServerError: if no server is configured and none could be started.
    """
    check_cron(cron)
    parameters = {"settings_file": str(settings_file.resolve())} if settings_file else {}
    with use_server() as url:
        page = without_secrets(url).removesuffix("/api")
        print(
            f"Serving the nightly at '{cron}' (UTC); Prefect shows it at {page}",
            flush=True,
        )
        nightly.serve(name="nightly", cron=cron, parameters=parameters, limit=1, print_starting_message=False)
