"""A small client of the service, for programs in Python: the standard library is all that it needs."""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOT_FOUND, BUSY = 404, (429, 503)
"""Refusals after which it pays to ask again."""


class ServiceRefusedError(RuntimeError):
    """The service refused; the message is its own sentence."""

    def __init__(self, http_status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.http_status = http_status


@dataclass(frozen=True)
class ReceivedPicture:
    """A picture that the service has drawn."""

    image: bytes
    """The file; empty if the picture was flagged."""
    answer: Mapping[str, Any]
    """All else that the service said of it: `mime_type`, `references_used`, `weights_used`, `artwork_digest`,
    `seed`, `flagged`, `taste`, `unread_tokens`."""


@dataclass(frozen=True, kw_only=True)
class ArtworkClient:
    """Asks a service for pictures; may be shared between threads."""

    address: str
    """For instance `http://localhost:5001`."""
    token: str | None = None
    """Bearer token, where the service wants one."""
    timeout: float = 120.0
    """Seconds that one answer may take."""
    max_tries: int = 4
    """How often a busy service is asked, waiting as long as it says in between."""

    def draw(self, rows: Sequence[Mapping[str, Any]], **options: object) -> list[ReceivedPicture]:
        """Draw a picture per row, in order.

        Args:
            rows: `prompt`, and `references` with `weights` or a `user_id`, and `seed`, as `/docs` says.
            **options: for all of them, for instance `alpha=0.4`.

        Raises:
            ServiceRefusedError: if the service refused, or was too busy each time.
            OSError: if it cannot be reached.
        """
        body = json.dumps({"rows": [*map(dict, rows)], "options": options}).encode()
        answers = json.loads(self._ask("/artworks", body))["artworks"]
        return [_receive(answer) for answer in answers]

    def stored_picture(self, user_id: str, item_id: str) -> bytes | None:
        """Fetch the picture that nights have drawn for a user and an item; None if there is none.

        Raises:
            ServiceRefusedError: if the service refused, or was too busy each time.
            OSError: if it cannot be reached.
        """
        asked = urllib.parse.urlencode({"user_id": user_id, "item_id": item_id})
        try:
            return self._ask(f"/pictures?{asked}")
        except ServiceRefusedError as refusal:
            if refusal.http_status == NOT_FOUND:
                return None
            raise

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        """Return the answer's body."""
        tries = 1
        while True:
            try:
                with urllib.request.urlopen(self._request(path, body), timeout=self.timeout) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                if error.code not in BUSY or tries >= self.max_tries:
                    raise ServiceRefusedError(error.code, _sentence(error)) from None
                time.sleep(float(error.headers.get("Retry-After", 1)))
            tries += 1

    def _request(self, path: str, body: bytes | None) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"} if body else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return urllib.request.Request(self.address.rstrip("/") + path, body, headers)


def _receive(answer: dict[str, Any]) -> ReceivedPicture:
    return ReceivedPicture(base64.b64decode(answer.pop("image")), answer)


def _sentence(error: urllib.error.HTTPError) -> str:
    """Return what the service said, or what its gateway did."""
    try:
        return str(json.loads(error.read())["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
