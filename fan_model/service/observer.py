"""What is noted of every request: an id for its log line and its caller, its path, status and seconds."""

import logging
import time
import uuid
from collections.abc import Callable, Collection
from functools import partial

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fan_model.service.messages.refusals import refuse
from fan_model.service.request_log import tell_failure
from fan_model.service.service_metrics import ServiceMetrics

REQUEST_ID = "X-Request-ID"
ELSEWHERE = "elsewhere"
"""What all unknown paths are called, in the log and in the counters: a caller may write anything there."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

logger = logging.getLogger(__name__)


class RequestObserver:
    """Counts and logs what the application answers, and answers where the application fails.

    Args:
        app: The application.
        metrics: Where requests are counted.
        paths: The application's paths.
    """

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no HTTP request, and observe the rest."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        answer = _Observed(send, partial(self._note, scope, time.monotonic()))
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            logger.error("request %s failed: %s", answer.request_id, tell_failure(error))
            await answer.apologize(scope, receive)
        return None

    def _note(self, scope: Scope, started: float, request_id: str, status: int) -> None:
        """Count and log a request whose answer is about to be sent."""
        path = scope["path"] if scope["path"] in self._paths else ELSEWHERE
        method = scope["method"] if scope["method"] in METHODS else "another"
        num_pictures = scope.get("state", {}).get("num_pictures", 0)
        seconds = time.monotonic() - started
        self._metrics.count_request(path, status, seconds)
        logger.info(
            "request %s %s %s %d pictures=%d seconds=%.3f",
            request_id, method, path, status, num_pictures, seconds,
        )  # fmt: skip


class _Observed:
    """The answer to one request, on its way; `note` is told the request's id and status before it is sent."""

    def __init__(self, send: Send, note: Callable[[str, int], None]) -> None:
        self.request_id = uuid.uuid4().hex[:12]
        self._send = send
        self._note = note
        self._begun = False

    async def send(self, message: Message) -> None:
        """Pass it on, with the request's id among its headers."""
        if message["type"] == "http.response.start":
            self._begun = True
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
            self._note(self.request_id, message["status"])
        await self._send(message)

    async def apologize(self, scope: Scope, receive: Receive) -> None:
        """Answer for the application, if it has not begun to answer."""
        if not self._begun:
            sentence = "the service failed, and its log says where: please try again"
            await refuse(500, sentence)(scope, receive, self.send)
