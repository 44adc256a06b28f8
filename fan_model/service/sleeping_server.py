"""An HTTP server that sleeps while nobody asks: uvicorn's own wakes ten times a second.

It does so to see whether it shall stop, and what date its answers bear. This one is woken to stop, and looks
at the clock when it answers.
"""

import asyncio
from email.utils import formatdate
from types import FrameType

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SleepingServer(uvicorn.Server):
    """Serves an application until a signal stops it.

    Args:
        application: What it serves.
        grace_seconds: How long it waits for answers to be sent when it is stopped.
    """

    def __init__(self, application: ASGIApp, grace_seconds: int) -> None:
        super().__init__(
            uvicorn.Config(
                DatedAnswers(application),
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=grace_seconds,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait for the signal; one that came while the server started counts, too."""
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._stopped.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal, and wake the loop, which a signal alone does not."""
        super().handle_exit(sig, frame)
        if self._loop:
            self._loop.call_soon_threadsafe(self._stopped.set)


class DatedAnswers:
    """Writes into each answer when it was made, as HTTP asks of whoever has a clock (RFC 9110, 6.6.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with the date among the headers of answers."""

        async def date(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["date"] = formatdate(usegmt=True)
            await send(message)

        await self._app(scope, receive, date)
