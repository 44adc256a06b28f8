"""A bounded queue in front of an artist: requests that wait at the same time are drawn as one batch."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fan_model.drawing.artist import Artist, Artwork
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, RequestError

SHORTEST_SECONDS = 1e-3
"""No picture is faster; a flagged one, which is not drawn, says nothing about speed."""


class QueueFullError(RequestError):
    """More pictures are waiting than the service is meant to owe."""

    http_status = 429


class QueueTooSlowError(RequestError):
    """Pictures were not drawn in the time that a caller may be kept waiting."""

    http_status = 503


@dataclass(frozen=True)
class _Ticket:
    """One picture that somebody waits for."""

    request: ArtworkRequest
    options: DrawingOptions
    artwork: asyncio.Future[Artwork]


class DrawingQueue:
    """Draws for many callers at once; belongs to one event loop.

    Batches are formed from what waits while the batch before is drawn, oldest first: a lone request never
    waits for company. A picture's bytes do not depend on its batch. How long the latest batch took decides
    how large the next may be, and how many may wait: else a slow machine, or a large model, would spend all
    its time on pictures that nobody waits for any more.

    Args:
        artist: Who draws, a batch at a time, in a thread.
        max_pictures: Pictures waiting or being drawn; more are refused.
        max_seconds: How long a caller is kept waiting.
    """

    def __init__(self, artist: Artist, *, max_pictures: int, max_seconds: float) -> None:
        self.artist = artist
        self.max_pictures = max_pictures
        self.max_seconds = max_seconds
        # One thread for all batches: each thread that calls torch has its own team of threads and memory.
        self._drawing_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="artist")
        self._num_owed = 0
        self._seconds_per_picture: float | None = None
        self._waiting: deque[_Ticket] = deque()
        self._work: asyncio.Task[None] | None = None

    async def draw(self, requests: Sequence[ArtworkRequest], options: DrawingOptions) -> list[Artwork]:
        """Draw one picture per request, in order.

        Raises:
            QueueFullError: There is no room for so many, or they could not be drawn in time.
            QueueTooSlowError: They were not drawn in time; what is still waiting of them is forgotten.
        """
        self._check_room(len(requests))
        loop = asyncio.get_running_loop()
        tickets = [_Ticket(request, options, loop.create_future()) for request in requests]
        self._num_owed += len(tickets)
        self._waiting.extend(tickets)
        self._start()
        try:
            async with asyncio.timeout(self.max_seconds):
                return await asyncio.gather(*(ticket.artwork for ticket in tickets))
        except TimeoutError:
            raise QueueTooSlowError(
                f"the service is too busy to draw within {self.max_seconds:g} s: try again later"
            ) from None
        finally:
            self._num_owed -= len(tickets)

    @property
    def num_owed(self) -> int:
        """Pictures that somebody waits for."""
        return self._num_owed

    def close(self) -> None:
        """Wait until the batch that is being drawn is done, and draw no more."""
        self._drawing_thread.shutdown(wait=True, cancel_futures=True)

    def _check_room(self, num_pictures: int) -> None:
        """Whoever comes to an empty queue is let in, and so its speed is measured again."""
        room = self.max_pictures
        if self._num_owed:
            room = min(room, self._num_drawn_within(self.max_seconds))
        if self._num_owed + num_pictures > room:
            raise QueueFullError(
                f"the queue has room for {room} pictures and is full: try again in a few seconds"
            )

    def _num_drawn_within(self, seconds: float) -> int:
        """Pictures that are drawn in a time, going by the latest batch; at least 1, before it the most."""
        if self._seconds_per_picture is None:
            return self.max_pictures
        return max(1, int(seconds / max(self._seconds_per_picture, SHORTEST_SECONDS)))

    def _start(self) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._draw_waiting())

    async def _draw_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            requests = [ticket.request for ticket in batch]
            started = time.monotonic()
            try:
                artworks = await loop.run_in_executor(
                    self._drawing_thread, self.artist.draw_each, requests, batch[0].options
                )
            except Exception as error:
                _settle(batch, [error] * len(batch))
            else:
                self._seconds_per_picture = (time.monotonic() - started) / len(batch)
                _settle(batch, artworks)

    @property
    def _batch_size(self) -> int:
        """One at first, to see how long it takes; then what half of a caller's time is enough for."""
        if self._seconds_per_picture is None:
            return 1
        return min(self.artist.batch_size, self._num_drawn_within(self.max_seconds / 2))

    def _next_batch(self) -> list[_Ticket]:
        """Take the oldest ticket and those drawn in the same way; nobody waits for a cancelled one."""
        waiting = [ticket for ticket in self._waiting if not ticket.artwork.done()]
        batch = [ticket for ticket in waiting if ticket.options == waiting[0].options]
        batch = batch[: self._batch_size]
        taken = set(map(id, batch))
        self._waiting = deque(ticket for ticket in waiting if id(ticket) not in taken)
        return batch


def _settle(batch: Sequence[_Ticket], outcomes: Sequence[Artwork | Exception]) -> None:
    for ticket, outcome in zip(batch, outcomes, strict=True):
        if ticket.artwork.done():
            continue
        if isinstance(outcome, Exception):
            ticket.artwork.set_exception(outcome)
        else:
            ticket.artwork.set_result(outcome)
