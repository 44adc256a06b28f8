"""Addresses as others may read them: without the passwords, keys and tokens that stand in them.

An address is a path, a URL (`s3://`, `https://`, `postgresql+psycopg2://`), or a connection string as
PostgreSQL's own library libpq reads it (`dbname=lake password='a b'`, `postgresql://ann:secret@host/lake`),
with DuckLake's word before it (`postgres:`) or without.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

MASK = "***"
SHORTEST_SECRET = 4
"""A shorter secret is taken out of addresses, but not looked for in other texts, where it may be any word."""
UNREADABLE = "(an address that cannot be read)"

_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]+):/{1,2}(?=[^/])", re.IGNORECASE)
_CATALOG = re.compile(r"^(?:ducklake:)?postgres:(?!//)")
_LIBPQ_URI = re.compile(r"^postgres(?:ql)?://")
_SETTING = re.compile(r"\s*([^\s=]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.|\\$)*)(?=\s|$)", re.DOTALL)
_SECRET_NAME = re.compile(
    r"passw|pwd|secret|token|scram_\w+_key|credential|signature|api_?key|access_?key|^sig$|^key$", re.I
)


class UnreadableAddressError(ValueError):
    """An address cannot be read; the message does not repeat it."""


class UnsafeCatalogError(ValueError):
    """Nights on a catalogue could not be kept apart; the message says why."""


class _Part(NamedTuple):
    """One `name=value` of a connection string or of a URL's query."""

    name: str
    raw: str
    """The value as it is written."""
    value: str
    """The value as it is meant."""

    @property
    def is_secret(self) -> bool:
        return bool(_SECRET_NAME.search(self.name))


class _Url(NamedTuple):
    """A URL in parts; what is not there is empty."""

    scheme: str
    user: str
    password: str
    rest: str
    """Host, port and path."""
    query: tuple[_Part, ...]


def address_of(path: Path) -> str | None:
    """The address that a path of the settings is, in lower case its scheme; None for one of this machine."""
    text = str(path)
    found = _ADDRESS.match(text)
    return f"{found[1].lower()}://{text[found.end() :]}" if found else None


def without_secrets(address: str) -> str:
    """Write an address for many eyes.

    A connection string of libpq stays one that works, with a password from `PGPASSWORD` or `~/.pgpass`. Of
    other URLs scheme, host and path are left; a path of this machine, or any other text, is left as it is.
    """
    word, bare = _split_word(address)
    if _LIBPQ_URI.match(bare):
        return word + _public_libpq_uri(_read_url(bare))
    if _ADDRESS.match(bare):
        read = _read_url(str(address_of(Path(bare))))
        return f"{read.scheme}://{read.rest}"
    if not word and not _is_connection_string(bare):
        return address
    try:
        return word + " ".join(f"{part.name}={part.raw}" for part in _read_settings(bare) if _may_show(part))
    except UnreadableAddressError:
        return word + UNREADABLE


def secrets_in(address: str) -> frozenset[str]:
    """Collect what is secret in an address, each as it is written and as it is meant."""
    _, bare = _split_word(address)
    found = set(_secrets(address_of(Path(bare)) or bare))
    return frozenset(secret for secret in found if len(secret) >= SHORTEST_SECRET)


def mask(text: str, secrets: Iterable[str]) -> str:
    """Put `***` where a text repeats a secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def check_connection(address: str) -> None:
    """Refuse a connection string that libpq would not read.

    Raises:
        UnreadableAddressError: if it would not; libpq's own message would repeat it.
    """
    word, bare = _split_word(address)
    if _LIBPQ_URI.match(bare):
        if any(sign in _read_url(bare).password for sign in "/?#"):
            raise UnreadableAddressError(
                "it is no address of PostgreSQL: write / ? # in a password as %2F %3F %23"
            )
    elif word:
        _read_settings(bare)


def check_catalog(address: str) -> None:
    """Refuse a catalogue on which a lock would not keep two writers apart.

    Args:
        address: DuckLake's address of a catalogue that is not in the workspace.

    Raises:
        UnreadableAddressError: if libpq would not read it.
        UnsafeCatalogError: if it is not one server of PostgreSQL.
    """
    check_connection(address)
    word, bare = _split_word(address)
    if word != "postgres:":
        raise UnsafeCatalogError(
            "only PostgreSQL keeps the writers of several machines apart: write postgres:dbname=... "
            "host=..., or leave catalog out for a SQLite file in the workspace, which one machine writes to"
        )
    named = _read_url(bare).rest if _LIBPQ_URI.match(bare) else _value(bare, "host")
    if "," in named and "target_session_attrs=" not in "".join(bare.split()):
        raise UnsafeCatalogError(
            "it names several hosts, so a lock may be held on one and rows be written on another: name one, "
            "or add target_session_attrs=primary"
        )


def _value(connection: str, name: str) -> str:
    """The value of one setting of a connection string, empty if it has none."""
    return next((part.value for part in _read_settings(connection) if part.name == name), "")


def _split_word(address: str) -> tuple[str, str]:
    """Take DuckLake's word, with its colon, from the connection string."""
    found = _CATALOG.match(address)
    return (found[0], address[found.end() :]) if found else ("", address)


def _is_connection_string(text: str) -> bool:
    return bool(re.match(r"\s*\w+\s*=", text)) and bool(re.search(_SECRET_NAME.pattern + r"\s*=", text, re.I))


def _may_show(part: _Part) -> bool:
    return not part.is_secret and not set(_secrets(part.value))


def _secrets(address: str) -> Iterator[str]:
    if "://" in address:
        yield from _secrets_of_url(address)
    elif "=" in address:
        yield from _secrets_of_settings(address)


def _secrets_of_settings(text: str) -> Iterator[str]:
    try:
        parts = _read_settings(text)
    except UnreadableAddressError:
        # Whatever was meant as a password, each word after it may be a part.
        for found in re.finditer(rf"\w*(?:{_SECRET_NAME.pattern})\w*\s*=(.*)", text, re.I | re.DOTALL):
            yield from re.findall(r"[^\s=']+(?![^\s=']*\s*=)", found[1])
        return
    for part in parts:
        if part.is_secret:
            yield from {part.raw, part.raw.strip("'"), part.value}
        else:
            yield from _secrets(part.value)


def _secrets_of_url(address: str) -> Iterator[str]:
    url = _read_url(address)
    is_libpq = bool(_LIBPQ_URI.match(address))
    yield from {url.password, unquote(url.password), *re.split("[/?#]", url.password)}
    if not is_libpq and not url.password:
        yield from {url.user, unquote(url.user)}
    for part in url.query:
        if part.is_secret or not is_libpq:
            yield from {part.raw, part.value}


def _read_settings(text: str) -> list[_Part]:
    """Read `name = value ...` by libpq's rules: quotes, and a backslash before any character."""
    parts, place = [], 0
    text = text.rstrip()
    while place < len(text):
        found = _SETTING.match(text, place)
        if found is None:
            raise UnreadableAddressError(
                "it is no connection string of PostgreSQL: write name=value, and quote a value with spaces"
            )
        raw = found[2]
        meant = re.sub(r"\\(.|$)", r"\1", raw[1:-1] if raw.startswith("'") else raw, flags=re.DOTALL)
        parts.append(_Part(found[1], raw, meant))
        place = found.end()
    return parts


def _read_url(address: str) -> _Url:
    """Take a URL apart, also one whose password has signs in it that should have been written as %XX."""
    scheme, _, after = address.partition("://")
    login, rest = _split_login(after)
    user, _, password = login.partition(":")
    rest, _, query = rest.partition("?")
    parts = [pair.partition("=") for pair in re.split("[&#;]", query) if pair]
    return _Url(scheme, user, password, rest, tuple(_Part(name, raw, unquote(raw)) for name, _, raw in parts))


def _split_login(after: str) -> tuple[str, str]:
    """Split what follows `://` into who logs in and the rest."""
    authority = re.split("[/?#]", after, maxsplit=1)[0]
    port = authority.rpartition(":")[2] if ":" in authority else ""
    is_cut = "@" not in authority and "@" in after and not re.fullmatch(r"\d*|\[?[0-9a-f:]*\]", port)
    if "@" not in authority and not is_cut:
        return "", after
    login, _, rest = (after if is_cut else authority).rpartition("@")
    return login, rest + ("" if is_cut else after[len(authority) :])


def _public_libpq_uri(url: _Url) -> str:
    query = "&".join(f"{part.name}={part.raw}" for part in url.query if _may_show(part))
    login = f"{url.user}@" if url.user else ""
    return f"{url.scheme}://{login}{url.rest}{f'?{query}' if query else ''}"
