"""Bodies of HTTP requests: read to their end within bounds of size and time, as one JSON object."""

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from fan_model.request_errors import RequestError

CONTENT_TYPE = "application/json"
BODY_SECONDS = 20.0
"""A body must have arrived by then, whoever sends it drop by drop."""


class BodyTooLargeError(RequestError):
    """A body beyond what a request within the limits can need."""

    http_status = 413


class SlowBodyError(RequestError):
    """A body that does not come to its end."""

    http_status = 408


class UnsupportedMediaTypeError(RequestError):
    """A body that is no JSON by its header."""

    http_status = 415


async def read_json(request: Request, max_bytes: int) -> dict[str, Any]:
    """Read the JSON object that a request carries.

    Raises:
        RequestError: The body is too large, too slow or cut off, or it is no JSON object in UTF-8.
    """
    return decode_json(await _read_body(request, max_bytes), request.headers.get("content-type", ""))


def decode_json(body: bytes, content_type: str) -> dict[str, Any]:
    """Decode a body that is one JSON object.

    Raises:
        RequestError: It is none, or names a field twice.
    """
    if content_type.split(";")[0].strip().lower() != CONTENT_TYPE:
        raise UnsupportedMediaTypeError(f"Content-Type must be {CONTENT_TYPE}")
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_each_once)
    except UnicodeDecodeError:
        raise RequestError("the body must be valid UTF-8") from None
    except RequestError:
        raise
    except (ValueError, RecursionError):
        raise RequestError("the body must be valid JSON, nested less than a thousand levels deep") from None
    if not isinstance(content, dict):
        raise RequestError("the body must be a JSON object")
    return content


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values for one name, readers would disagree which one counts."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RequestError("the body must not name a field twice in one object")
    return content


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """The body, read to its end even when it is refused, so that the sender hears the refusal."""
    body, num_bytes = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                num_bytes += len(chunk)
                if num_bytes <= max_bytes:
                    body += chunk
    except TimeoutError:
        raise SlowBodyError(f"the body must arrive within {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise RequestError("the body must arrive whole") from None
    if num_bytes > max_bytes:
        raise BodyTooLargeError(f"the body must be at most {max_bytes} bytes")
    return bytes(body)
