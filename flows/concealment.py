"""What no message, log or terminal may repeat: the passwords, keys and tokens of settings and environment.

Addresses are written by `without_secrets`, which takes them out; here is the second door, for what libraries
say: whoever reads the settings makes their secrets known, and from then on no log record repeats them.
"""

import logging
import traceback
from collections.abc import Iterable

from feature_store.schemas.addresses import mask

_known: set[str] = set()
_make_record = logging.getLogRecordFactory()


def conceal(secrets: Iterable[str]) -> None:
    """Let no log record and no message of this process repeat these texts."""
    _known.update(secrets)
    logging.setLogRecordFactory(_make_concealed_record)


def concealed(text: str) -> str:
    """Return a message with `***` in place of what is known to be secret."""
    return mask(text, _known)


def _make_concealed_record(*arguments: object, **named: object) -> logging.LogRecord:
    record = _make_record(*arguments, **named)
    try:
        said = record.getMessage()
    except (TypeError, ValueError):
        said = str(record.msg)
    if concealed(said) != said:
        record.msg, record.args = concealed(said), ()
    if record.exc_info and record.exc_info[1] is not None:
        told = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        record.exc_text = concealed(told)
    return record
