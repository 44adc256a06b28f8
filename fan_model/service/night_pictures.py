"""Pictures that nights have drawn already, handed out by user and item: a page shows them at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fan_model.drawing.images import MIME_TYPES
from fan_model.drawing.requests import RequestError
from fan_model.service.callers.bearer_tokens import BearerTokens
from fan_model.service.messages.request_rows import read_id
from fan_model.service.request_log import tell_failure

StoredPictures = Callable[[str, str], tuple[str, bytes] | None]
"""Digest and file of the picture that is stored for a user and an item (ids); None where there is none."""

PNG_MAGIC = b"\x89PNG"

logger = logging.getLogger(__name__)


class NotDrawnError(RequestError):
    """Nights have drawn no such picture, or it must not be shown."""

    http_status = 404


class NoStoredPicturesError(RequestError):
    """Stored pictures cannot be read."""

    http_status = 503


def hand_out(
    stored_pictures: StoredPictures | None, tokens: BearerTokens
) -> Callable[[Request], Awaitable[Response]]:
    """Make the endpoint of stored pictures.

    Args:
        stored_pictures: Finds them; None where there is no workspace.
        tokens: Who may ask, and for whom.
    """

    async def find_picture(request: Request) -> Response:
        """Hand out the picture that nights have drawn for a user and an item."""
        caller = tokens.identify(request.headers, request.client.host if request.client else "")
        user_id, item_id = (read_id(name, request.query_params.get(name)) for name in ("user_id", "item_id"))
        caller.check_users([{"user_id": user_id}])
        found = await asyncio.to_thread(_look_up, stored_pictures, user_id, item_id)
        if found is None:
            raise NotDrawnError("there is no picture of this item for this user: show its stock image")
        digest, file = found
        headers = {"ETag": f'"{digest}"', "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(file, media_type=_mime_type(file), headers=headers)

    return find_picture


def describe() -> dict[str, Any]:
    """Describe `GET /pictures`, as FastAPI takes it."""
    files = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MIME_TYPES.values()}
    parameters = [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "description": what}
        for name, what in (("user_id", "Whose picture."), ("item_id", "Of what."))
    ]
    return {
        "summary": "The picture that nights have drawn",
        "response_class": Response,
        "responses": {
            200: {"description": "The file; `ETag` is its digest.", "content": files},
            304: {"description": "`If-None-Match` names the digest that it still has."},
            404: {"description": "There is none: not drawn, refused, or the user has opted out."},
        },
        "openapi_extra": {"parameters": parameters},
    }


def _look_up(stored_pictures: StoredPictures | None, user_id: str, item_id: str) -> tuple[str, bytes] | None:
    try:
        return stored_pictures(user_id, item_id) if stored_pictures else None
    except Exception as error:
        logger.error("the stored pictures cannot be read: %s", tell_failure(error))
        raise NoStoredPicturesError("stored pictures cannot be read now: try again later") from None


def _mime_type(file: bytes) -> str:
    return MIME_TYPES["png" if file.startswith(PNG_MAGIC) else "webp"]
