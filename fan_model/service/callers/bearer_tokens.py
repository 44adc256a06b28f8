"""Who may ask: nobody needs a token where there is no file of them; else each request carries one."""

import hashlib
import hmac
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fan_model.request_errors import RequestError

SCHEME, NOWHERE = "bearer ", "nowhere"


class TokensFileError(ValueError):
    """The file of tokens cannot be read; the message does not repeat what is in it."""


class UnknownCallerError(RequestError):
    """A request without a token that is known."""

    http_status = 401


class ForbiddenUserError(RequestError):
    """A request for a user whom the token does not speak for."""

    http_status = 403


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Caller:
    """Who asks, and what may be asked for."""

    name: Annotated[str, Field(min_length=1)]
    """Callers take turns by it; of a request without a token it is where it comes from."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the token: the file does not hold tokens themselves."""
    users: tuple[str, ...] | None = None
    """The user ids that may be asked for; None for any."""
    max_queued_pictures: Annotated[int, Field(ge=1)] | None = None
    """Pictures that the service may owe this caller; None for the service's own limit."""

    def check_users(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Refuse rows for users whom the token does not speak for.

        Raises:
            ForbiddenUserError: There is one.
        """
        if self.users is not None and any(row.get("user_id") not in (None, *self.users) for row in rows):
            raise ForbiddenUserError("user_id must be one that the token speaks for")


_FILE = TypeAdapter(dict[str, tuple[Caller, ...]])


class BearerTokens:
    """The tokens of a deployment.

    Args:
        file: TOML with a `[[tokens]]` table for each (see `Caller`); None if nobody needs one.
        header: Header in which a gateway says who asks, for requests without tokens; None for the address.

    Raises:
        TokensFileError: The file is missing, or no such file.
    """

    def __init__(self, file: str | None = None, header: str | None = None) -> None:
        self._header = header
        self._callers = None if file is None else _read(Path(file))

    def identify(self, headers: Mapping[str, str], address: str) -> Caller:
        """Say who asks.

        Raises:
            UnknownCallerError: A token is needed, and there is none that is known.
        """
        if self._callers is None:
            return Caller(name=(headers.get(self._header, "") if self._header else "") or address or NOWHERE)
        given = headers.get("authorization", "")
        token = given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else ""
        digest = hashlib.sha256(token.encode()).hexdigest()
        known = [caller for caller in self._callers if hmac.compare_digest(caller.sha256 or "", digest)]
        if not known:
            raise UnknownCallerError("the header Authorization must be Bearer with a token that is known")
        return known[0]


def _read(file: Path) -> tuple[Caller, ...]:
    try:
        content = _FILE.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError):
        content = {}
    callers = content.get("tokens", ())
    if set(content) != {"tokens"} or not callers or not all(caller.sha256 for caller in callers):
        raise TokensFileError(
            f"{file} is no file of tokens: write a [[tokens]] table for each, with name, sha256 (of the "
            "token, as sha256sum prints it) and, as wanted, users and max_queued_pictures"
        )
    return callers
