"""The bytes of a picture from where it is, no more of them than may be, and in no more time."""

import http.client
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import fsspec

from recsys_adapters.pictures.picture_places import WEB
from recsys_adapters.pictures.picture_rules import Refusal, RefusedPictureError
from recsys_adapters.sources.remote_files import name_package

PIECE = 2**16
"""Bytes that are read at a time."""
PATIENCE = 30.0
"""Seconds that a web server has for a picture."""
NOT_THERE = {404, 410}
ASCII = "!#$%&'()*+,/:;=?@[]~"
"""Signs of a URL that mean something, or are quoted already."""


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would lead to a place that nobody has allowed."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - the opener's own arguments
        """Follow none."""


_WEB = build_opener(_NoRedirect)


def read_bytes(place: Path | str, max_bytes: int) -> bytes:
    """Read a picture's file.

    Args:
        place: a path, or an address.
        max_bytes: read no more.

    Raises:
        RefusedPictureError: It is not there, has more bytes, or cannot be fetched.
        SourceFileError: The package is missing that reads such addresses.
    """
    try:
        if isinstance(place, Path):
            return _read_file(place, max_bytes)
        scheme = urlsplit(place).scheme.lower()
        return _read_web(place, max_bytes) if scheme in WEB else _read_store(place, max_bytes)
    except ImportError as error:
        raise name_package(str(place).partition("://")[0]) from error
    except RefusedPictureError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise RefusedPictureError(Refusal.MISSING) from None
    except HTTPError as error:
        is_missing = error.code in NOT_THERE
        raise RefusedPictureError(Refusal.MISSING if is_missing else Refusal.NOT_FETCHED) from None
    except Exception:
        # Not the error's own words: a client repeats the whole address, with what is secret in it.
        raise RefusedPictureError(Refusal.NOT_FETCHED) from None


def _read_file(path: Path, max_bytes: int) -> bytes:
    """Read a file, if it is one: a pipe or a device would be read for ever."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise RefusedPictureError(Refusal.NO_PICTURE)
    # Should it become a pipe in between, nobody waits for it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
        return _read_all(file.read, max_bytes)


def _read_web(address: str, max_bytes: int) -> bytes:
    request = Request(quote(address, safe=ASCII), headers={"User-Agent": "fan-artwork"})
    with _WEB.open(request, timeout=PATIENCE) as response:
        assert isinstance(response, http.client.HTTPResponse)
        return _read_all(response.read1, max_bytes, until=time.monotonic() + PATIENCE)


def _read_store(address: str, max_bytes: int) -> bytes:
    store, place = fsspec.core.url_to_fs(address)
    file: IO[bytes]
    with store.open(place, "rb") as file:
        return _read_all(file.read, max_bytes)


def _read_all(read: Callable[[int], bytes], max_bytes: int, until: float = float("inf")) -> bytes:
    """Read until the end, or until there are too many bytes or it takes too long."""
    pieces: list[bytes] = []
    num_bytes = 0
    while piece := read(PIECE):
        pieces.append(piece)
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise RefusedPictureError(Refusal.TOO_MANY_BYTES)
        if time.monotonic() > until:
            raise RefusedPictureError(Refusal.NOT_FETCHED)
    return b"".join(pieces)
