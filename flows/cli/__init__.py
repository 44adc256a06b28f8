"""The command line: `fan nightly` for the whole night, and a command for each part of it."""

from flows.cli.entry import main

__all__ = ["main"]
