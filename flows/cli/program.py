"""The commands as one program: what they are for, and how their failures are told."""

import logging
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Annotated

import typer

from flows.cli import (
    analyst_commands,
    care_commands,
    night_commands,
    picture_commands,
    studio_commands,
)
from flows.cli.entry import OWN_PACKAGES
from flows.cli.terminal import printable
from flows.concealment import concealed
from flows.failures import explain

COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "The night": (
        night_commands.init,
        night_commands.check,
        night_commands.plan,
        night_commands.describe,
        night_commands.nightly,
        night_commands.ingest,
        night_commands.embed,
        night_commands.profile,
        night_commands.generate,
        night_commands.publish,
        night_commands.schedule,
    ),
    "Pictures on request": (
        picture_commands.models,
        picture_commands.calibrate,
        picture_commands.register,
        picture_commands.serve,
        picture_commands.draw,
    ),
    "Questions": (
        analyst_commands.query,
        analyst_commands.explain,
        analyst_commands.export,
        analyst_commands.search,
        analyst_commands.evaluate,
        analyst_commands.train_adapter,
    ),
    "Care": (
        care_commands.opt_out,
        care_commands.forget,
        care_commands.crowd,
        care_commands.backfill,
        care_commands.maintain,
        care_commands.doctor,
        care_commands.verify,
        care_commands.backup,
        care_commands.restore,
    ),
}
"""By what they are for, in the order of the help."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
studio_app = typer.Typer(
    help="Make the bundled image model anew, and see what it can do.", no_args_is_help=True
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"fan-artwork {metadata.version('fan-artwork')}")
        raise typer.Exit()


@app.callback()
def answer(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Say which version this is, and stop."
        ),
    ] = False,
) -> None:
    """Per-user artwork for recommender systems: every night, pictures in each user's taste.

    Settings come from fan.toml and from FAN_* variables (FAN_MAX_USERS=all, FAN_DRAWING__ALPHA=0.4).
    """


for purpose, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=purpose)(command)
for command in (studio_commands.train, studio_commands.show):
    studio_app.command()(command)
app.add_typer(studio_app, name="studio", rich_help_panel="The bundled model")


def run() -> None:
    """Run the command; an error is one line, whatever it is, and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except ModuleNotFoundError:
        raise  # `main` says how to get what is missing
    except Exception as error:
        print(f"fan: {say(error)}", file=sys.stderr)
        sys.exit(1)


def say(error: Exception) -> str:
    """Say in one line what stopped a command."""
    own = type(error).__module__.split(".")[0] in OWN_PACKAGES
    return printable(concealed(str(error) if own else explain(error)))
