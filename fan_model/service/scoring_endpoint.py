"""The service's endpoint inside MLflow's scoring server.

MLflow's own handler of `/invocations` drops params that it does not know, refuses whole numbers where numbers
are meant, puts stack traces and the caller's texts into its errors, breaks base64 into lines, lets any number
of requests wait, and draws each of them alone. So the model answers at that path itself. The command is
MLflow's, and so are the server's other paths and its time limit for requests.
"""

import asyncio
import importlib
import logging
import sys
import threading
from dataclasses import replace

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fan_model.drawing.artist import Artwork
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, RequestError
from fan_model.service.drawing_queue import DrawingQueue
from fan_model.service.payloads import (
    CONTENT_TYPE,
    Payload,
    Row,
    StoredProfiles,
    decode_payload,
    encode_artworks,
    encode_refusal,
    read_request,
)

SERVER_MODULE = "mlflow.pyfunc.scoring_server.app"
PATH = "/invocations"
METHODS = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
"""All are answered, to say that it takes the first."""
BODY_SECONDS = 20.0
"""A body must have arrived by then, whoever sends it drop by drop."""
RETRY_AFTER_SECONDS = "5"

logger = logging.getLogger(__name__)


class BodyTooLargeError(RequestError):
    """A body beyond what a request within the limits can need."""

    http_status = 413


class MethodError(RequestError):
    """Something else than a request for pictures."""

    http_status = 405


class SlowBodyError(RequestError):
    """A body that does not come to its end."""

    http_status = 408


class ScoringEndpoint:
    """Answers a request with pictures, or with one sentence.

    Args:
        queue: Draws for all requests.
        options: How pictures are drawn where a request does not say.
        stored_profiles: References of a user that a request names without giving any; None if there are none.
    """

    def __init__(
        self, queue: DrawingQueue, options: DrawingOptions, stored_profiles: StoredProfiles | None = None
    ) -> None:
        limits = queue.artist.limits
        # More rows than the queue has room for would be told to try again for ever.
        self._limits = replace(limits, max_rows=min(limits.max_rows, queue.max_pictures))
        self._queue = queue
        self._options = options
        self._stored_profiles = stored_profiles

    async def answer(self, request: Request) -> Response:
        """Answer one HTTP request."""
        try:
            if request.method != METHODS[0]:
                raise MethodError(f"the method must be {METHODS[0]}")
            body = await _read_body(request, self._limits.max_body_bytes)
            payload = decode_payload(body, request.headers.get("content-type", ""), self._limits)
            return Response(encode_artworks(await self._draw(payload)), media_type=CONTENT_TYPE)
        except RequestError as error:
            return _refuse(error.http_status, str(error))
        except ClientDisconnect:
            return _refuse(400, "the body must arrive whole")
        except Exception:
            logger.exception("a request could not be answered")
            return _refuse(500, "the service failed, and its log says why: please try again")

    async def _draw(self, payload: Payload) -> list[Artwork]:
        options = self._limits.parse_options(payload.params, self._queue.artist.sides, self._options)
        requests = await asyncio.to_thread(self._read_requests, payload)
        self._queue.artist.check(requests, options)
        return await self._queue.draw(requests, options)

    def _read_requests(self, payload: Payload) -> list[ArtworkRequest]:
        requests = []
        for number, row in enumerate(payload.rows, start=1):
            try:
                requests.append(self._read_row(row))
            except RequestError as error:
                where = f"row {number}: " if len(payload.rows) > 1 else ""
                raise RequestError(f"{where}{error}") from None
        return requests

    def _read_row(self, row: Row) -> ArtworkRequest:
        return read_request(row, self._limits, self._stored_profiles)


def answer_in_scoring_server(endpoint: ScoringEndpoint) -> None:
    """Put the endpoint before MLflow's own, if this process is MLflow's scoring server; else do nothing.

    The server loads the model in the midst of importing its app, which is not there yet. A thread imports
    it as well, which waits until the first import is done, and adds the route before the port is open.
    """
    if SERVER_MODULE in sys.modules:
        threading.Thread(target=_route_to, args=(endpoint,), daemon=True).start()


def _route_to(endpoint: ScoringEndpoint) -> None:
    app: FastAPI = importlib.import_module(SERVER_MODULE).app
    app.router.routes.insert(0, Route(PATH, endpoint.answer, methods=METHODS))


def _refuse(http_status: int, sentence: str) -> Response:
    headers = {405: {"Allow": METHODS[0]}} | dict.fromkeys((429, 503), {"Retry-After": RETRY_AFTER_SECONDS})
    return Response(
        encode_refusal(http_status, sentence), http_status, headers.get(http_status), media_type=CONTENT_TYPE
    )


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
    if num_bytes > max_bytes:
        raise BodyTooLargeError(f"the body must be at most {max_bytes} bytes")
    return bytes(body)
