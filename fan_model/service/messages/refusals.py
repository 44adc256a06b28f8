"""How the service says no: a status, one sentence, and when to come back."""

from collections.abc import Mapping

from starlette.responses import Response

from fan_model.service.messages.json_bodies import CONTENT_TYPE
from fan_model.service.messages.payloads import encode_refusal

RETRY_AFTER_SECONDS = 5
BUSY_STATUSES = (429, 503)
"""Refusals that a caller may hope to see gone soon."""


def refuse(http_status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make the answer that refuses a request."""
    challenge = {"WWW-Authenticate": "Bearer"} if http_status == 401 else {}
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if http_status in BUSY_STATUSES else {}
    return Response(
        encode_refusal(http_status, sentence),
        http_status,
        {**(headers or {}), **retry, **challenge},
        media_type=CONTENT_TYPE,
    )
