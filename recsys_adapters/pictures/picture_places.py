"""Where pictures may be read from: folders and addresses, and whether one lies in them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

WEB = {"http": ":80", "https": ":443"}
"""Schemes of web servers, whose hosts are the same in any case, and the port that may be left out."""
THIS_MACHINE = {"file", "local"}


class Address(NamedTuple):
    """An address in the parts by which it is allowed."""

    scheme: str
    host: str
    """With its port; of a store its bucket."""
    parts: tuple[str, ...]
    """Of its path, without percent signs."""

    def holds(self, other: "Address") -> bool:
        """Whether another address is this one, or below it."""
        is_same = (self.scheme, self.host) == (other.scheme, other.host)
        return is_same and other.parts[: len(self.parts)] == self.parts


def is_address(text: str) -> bool:
    """Whether a text is an address, or else a path."""
    return "://" in text or text.startswith("file:")


def read_address(text: str) -> Address | None:
    """Take an address apart; None if it may mean another place than it seems to.

    Refused are logins, steps upwards however they are written, and fsspec's chains of addresses.
    """
    if "::" in text or "\\" in text or not text.isprintable():
        return None
    try:
        url = urlsplit(text)
    except ValueError:
        return None
    path = _unquoted(url.path)
    parts = tuple(part for part in path.split("/") if part)
    if "@" in url.netloc or "\\" in path or not path.isprintable() or {".", ".."} & set(parts):
        return None
    scheme = url.scheme.lower()
    if scheme not in WEB and {"?", "#"} & set(text):
        return None  # To a store these are parts of a name, and not of a query.
    host = url.netloc.lower().removesuffix(WEB[scheme]) if scheme in WEB else url.netloc
    return Address(scheme, host, parts)


def _unquoted(path: str) -> str:
    """A path without percent signs, however often they were quoted."""
    while (meant := unquote(path)) != path:
        path = meant
    return path


def check_allowed(text: str) -> str:
    """Refuse what is neither a folder nor an address of a folder elsewhere.

    Raises:
        ValueError: It is not.
    """
    if not text.strip():
        raise ValueError("a place is empty: name a folder, or leave it out")
    if not is_address(text):
        return text
    address = read_address(text)
    if address is None or not address.host or address.scheme in THIS_MACHINE:
        raise ValueError("a place is a folder, or an address such as https://host/folder or s3://bucket")
    return text


class PicturePlaces:
    """The places that are allowed.

    Args:
        allowed: Folders of this machine, and addresses.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._folders = [Path(one).resolve() for one in allowed if not is_address(one)]
        addresses = [read_address(one) for one in allowed if is_address(one)]
        self._addresses = [address for address in addresses if address is not None]

    def find(self, uri: str) -> Path | str | None:
        """Where a picture is: a path, all of whose links are followed, or an address; None: not allowed."""
        if not is_address(uri):
            return self._find_file(uri)
        address = read_address(uri)
        if address is None:
            return None
        if address.scheme == "file":
            is_here = address.host in ("", "localhost")
            return self._find_file("/" + "/".join(address.parts)) if is_here else None
        return uri if any(one.holds(address) for one in self._addresses) else None

    def _find_file(self, path: str) -> Path | None:
        """The file that a path means; of a relative one, in the first of the folders that has it."""
        found = [file for folder in self._folders if (file := _inside(folder, path)) is not None]
        return next((file for file in found if os.path.exists(file)), found[0] if found else None)


def _inside(folder: Path, path: str) -> Path | None:
    """The file of a path, if it lies in a folder: not if a step upwards or a link leads out of it."""
    try:
        file = (folder / path).resolve()
    except (OSError, ValueError, RuntimeError):  # A name with a null byte, or links that go round.
        return None
    return file if file.is_relative_to(folder) else None
