"""What every command needs: its settings, and an environment prepared before the libraries are imported."""

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.environment import prepare_environment
from flows.settings import Settings, read_settings

UMASK_OF_ONE, UMASK_OF_A_GROUP = 0o077, 0o007
"""What nobody else may do with the files that a command writes, and with what its children write."""
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="TOML file of the settings [default: $FAN_SETTINGS, or fan.toml here]"),
]


User = Annotated[str, typer.Argument(help="The user's id, as your logs write it.")]
Item = Annotated[str, typer.Argument(help="The item's id, as your catalogue writes it.")]


def prepare(settings_file: Path | None) -> Settings:
    """Read the settings, and prepare the environment for their workspace."""
    settings = read_settings(settings_file)
    os.umask(UMASK_OF_A_GROUP if settings.shared else UMASK_OF_ONE)
    (settings.workspace / "prefect").mkdir(parents=True, exist_ok=True)
    prepare_environment(settings.workspace / "prefect")
    return settings


def print_counts(done: str, counts: dict[str, int]) -> None:
    """Print what was done, and how often."""
    print(f"{done}: " + ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in counts.items()))
