"""Pictures that nights have drawn already, handed out by user and item: a page shows them at once."""

import asyncio
import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from fan_model.drawing.images import MIME_TYPES
from fan_model.request_errors import RequestError
from fan_model.service.callers.bearer_tokens import Caller
from fan_model.service.callers.paced_endpoints import CallersEndpoint
from fan_model.service.messages.refusals import refuse
from fan_model.service.messages.request_rows import read_id
from fan_model.service.request_log import tell_failure

StoredPictures = Callable[[str, str], tuple[str, bytes] | None]
"""Digest and file of the picture that is stored for a user and an item (ids); None where there is none."""

PNG_MAGIC = b"\x89PNG"

logger = logging.getLogger(__name__)


class NoStoredPicturesError(RequestError):
    """Stored pictures cannot be read."""

    http_status = 503


def hand_out(stored_pictures: StoredPictures | None) -> CallersEndpoint:
    """Make the endpoint of stored pictures, by what finds them; None where there is no workspace."""

    async def find_picture(request: Request, caller: Caller) -> Response:
        """Hand out the picture that nights have drawn for a user and an item."""
        user_id, item_id = (read_id(name, request.query_params.get(name)) for name in ("user_id", "item_id"))
        caller.check_users([{"user_id": user_id}])
        found = await asyncio.to_thread(_look_up, stored_pictures, user_id, item_id)
        if found is None:
            # No refusal to hold back: a page asks for many items, and few of them are drawn.
            return refuse(404, "there is no picture of this item for this user: show its stock image")
        digest, file = found
        headers = {"ETag": f'"{digest}"', "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(file, media_type=_mime_type(file), headers=headers)

    return find_picture


def _look_up(stored_pictures: StoredPictures | None, user_id: str, item_id: str) -> tuple[str, bytes] | None:
    try:
        return stored_pictures(user_id, item_id) if stored_pictures else None
    except Exception as error:
        logger.error("the stored pictures cannot be read: %s", tell_failure(error))
        raise NoStoredPicturesError("stored pictures cannot be read now: try again later") from None


def _mime_type(file: bytes) -> str:
    return MIME_TYPES["png" if file.startswith(PNG_MAGIC) else "webp"]
