"""Failures of the machine, whichever library noticed them: a full disk, a folder that cannot be written."""

import errno
from collections.abc import Iterator

NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
PHRASES = ("database or disk is full", "attempt to write a readonly database", "unable to open database file")
"""What SQLite says, in words that MLflow and Prefect pass on."""


def what_failed(error: BaseException) -> str | None:
    """Say what the machine refused, if that is what an error, or one that led to it, is about."""
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in NUMBERS:
            return f"{each.strerror}: {each.filename}" if each.filename else each.strerror
        for phrase in PHRASES:
            if phrase in str(each):
                return phrase
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
