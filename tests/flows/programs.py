"""The command line in this process, with its output and exit status as people see them."""

import contextlib
import io
import sys
from dataclasses import dataclass

import pytest

from flows import cli


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


def fan(*arguments) -> Said:
    """Run a command; return what it said, and its exit status."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["fan", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            err.write(end.code if isinstance(end.code, str) else "")
    return Said(status, out.getvalue(), err.getvalue())
