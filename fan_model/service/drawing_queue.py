"""A bounded queue in front of an artist: requests that wait at the same time are drawn as one batch."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from fan_model.drawing.artist import Artist, Artwork, Undrawn
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.request_errors import RequestError
from fan_model.service.callers.drawing_costs import DrawingCosts
from fan_model.service.callers.recent_callers import RecentCallers
from fan_model.service.overtaking import NobodyWaitsError, Overtaking, Timed

LONGEST_BATCH = 4.0
"""Seconds; whoever comes meanwhile waits for it. A single picture may take longer."""
DEAREST_IN_BATCH = 2.0
"""A picture that costs more than so many times the one whose turn it is waits for its own turn; what costs
more than so many times another's picture is overtaken by it."""


Pictures = list[Artwork | Undrawn]


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
    caller: str
    artwork: asyncio.Future[Artwork]


class DrawingQueue:
    """Draws for many callers at once; belongs to one event loop.

    Batches are formed from what waits while the batch before is drawn: a lone request never waits for
    company. A picture's bytes do not depend on its batch. Callers take turns, the one who was served longest
    ago first; each may be owed an equal share of what can be drawn in time, and have of a batch as much as
    the least that another asked for within a minute. What pictures cost is learnt from the batches
    (`DrawingCosts`): many references, steps or pixels are many seconds. While a picture is drawn that takes
    long, quick ones of other callers are drawn between its steps, for as much of the time as it has itself.
    So nobody can hold the queue against others, and a slow machine, or a large model, does not spend its time
    on pictures that nobody waits for any more.

    Args:
        artist: Who draws, a batch at a time, in a thread.
        max_pictures: Pictures of one caller alone that wait or are being drawn; more are refused.
        max_seconds: How long a caller is kept waiting.
    """

    def __init__(self, artist: Artist, *, max_pictures: int, max_seconds: float) -> None:
        self.artist = artist
        self.max_pictures = max_pictures
        self.max_seconds = max_seconds
        # One thread for all batches: each thread that calls torch has its own team of threads and memory.
        self._drawing_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="artist")
        self._overtaking_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="quick-artist")
        self._overtaking = Overtaking()
        self._news = asyncio.Event()
        """Whether somebody came, or a batch is drawn."""
        self._costs = DrawingCosts(artist.sides.own)
        self._recent = RecentCallers(self._costs)
        self._num_owed: Counter[str] = Counter()
        self._seconds_owed: defaultdict[str, float] = defaultdict(float)
        self._served: dict[str, int] = {}
        self._waiting: deque[_Ticket] = deque()
        self._work: asyncio.Task[None] | None = None

    async def draw(
        self,
        requests: Sequence[ArtworkRequest],
        options: DrawingOptions,
        *,
        caller: str = "",
        max_pictures: int | None = None,
        seconds: float | None = None,
    ) -> list[Artwork]:
        """Draw one picture per request, in order.

        Args:
            requests: What is wanted.
            options: Hold for all of them.
            caller: Who takes turns with others.
            max_pictures: That this caller may be owed, if fewer than the queue's.
            seconds: That are left to the caller, if less than the queue's.

        Raises:
            QueueFullError: There is no room for so many, or they could not be drawn in time.
            QueueTooSlowError: They were not drawn in time; what is still waiting of them is forgotten.
        """
        seconds = self.max_seconds if seconds is None else min(seconds, self.max_seconds)
        cost = sum(self._costs.expect(request, options) for request in requests)
        self._check_room(caller, len(requests), cost, seconds, max_pictures or self.max_pictures)
        self._recent.note(caller, self._costs.work(requests, options))
        loop = asyncio.get_running_loop()
        tickets = [_Ticket(request, options, caller, loop.create_future()) for request in requests]
        self._owe(caller, len(tickets), cost)
        self._waiting.extend(tickets)
        self._start()
        try:
            async with asyncio.timeout(max(seconds, 0)):
                return await asyncio.gather(*(ticket.artwork for ticket in tickets))
        except TimeoutError:
            raise QueueTooSlowError(
                f"the service is too busy to draw within {self.max_seconds:g} s: try again later"
            ) from None
        finally:
            self._owe(caller, -len(tickets), -cost)

    @property
    def num_owed(self) -> int:
        """Pictures that somebody waits for."""
        return self._num_owed.total()

    def close(self) -> None:
        """Wait until the batch that is being drawn is done, and draw no more."""
        for thread in (self._drawing_thread, self._overtaking_thread):
            thread.shutdown(wait=True, cancel_futures=True)

    def _owe(self, caller: str, num_pictures: int, seconds: float) -> None:
        self._num_owed[caller] += num_pictures
        self._seconds_owed[caller] += seconds
        if not self._num_owed[caller]:
            del self._num_owed[caller], self._seconds_owed[caller]
        if not self._num_owed:
            self._served.clear()

    def _check_room(
        self, caller: str, num_pictures: int, cost: float, seconds: float, max_pictures: int
    ) -> None:
        """Whoever comes to an empty queue is let in, and so its speed is measured again."""
        num_callers = len(self._num_owed.keys() | {caller})
        room = min(max_pictures, max(1, self.max_pictures // num_callers))
        if self._num_owed and self._costs.is_known:
            left = seconds / num_callers - self._seconds_owed.get(caller, 0.0)
            in_time = self._num_owed[caller] + int(left / (cost / num_pictures))
            room = max(0 if self._num_owed[caller] else 1, min(room, in_time))
        if self._num_owed[caller] + num_pictures > room:
            raise QueueFullError(
                f"the queue has room for {room} pictures and is full: try again in a few seconds"
            )

    def _start(self) -> None:
        self._news.set()
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._draw_waiting())

    async def _draw_waiting(self) -> None:
        while batch := self._next_batch(lambda _: True):
            drawing = asyncio.ensure_future(self._draw(batch))
            drawing.add_done_callback(lambda _: self._news.set())
            while not drawing.done():
                await self._let_others_by(batch, drawing)
            drawing.result()

    async def _let_others_by(self, slow: Sequence[_Ticket], drawing: asyncio.Future[None]) -> None:
        """Draw what may overtake a batch, or wait for news where nothing may.

        The batch has as long for itself afterwards, so that it comes to an end.
        """
        self._news.clear()
        quick = self._next_batch(partial(self._may_overtake, slow))
        if not quick:
            await self._news.wait()
            return
        seconds = await self._overtake(quick)
        await asyncio.wait({drawing}, timeout=seconds)

    def _may_overtake(self, slow: Sequence[_Ticket], ticket: _Ticket) -> bool:
        is_others = all(ticket.caller != one.caller for one in slow)
        return is_others and DEAREST_IN_BATCH * self._expect(ticket) < sum(map(self._expect, slow))

    async def _draw(self, batch: Sequence[_Ticket]) -> None:
        def is_wanted() -> bool:
            return not all(ticket.artwork.done() for ticket in batch)

        draw = partial(self._overtaking.draw, self._artist_of(batch), is_wanted)
        self._settle(batch, await _run(self._drawing_thread, draw))

    async def _overtake(self, batch: Sequence[_Ticket]) -> float:
        """Draw between two steps of another batch; return how long that took."""
        draw = partial(self._overtaking.overtake, self._artist_of(batch))
        timed = await _run(self._overtaking_thread, draw)
        self._settle(batch, timed)
        return timed.seconds

    def _artist_of(self, batch: Sequence[_Ticket]) -> Callable[[], Pictures]:
        # Somebody waits: where memory runs out, they are told at once, and the next batch is smaller.
        requests = [ticket.request for ticket in batch]
        return partial(self.artist.draw_each, requests, batch[0].options, halves=False)

    def _settle(self, batch: Sequence[_Ticket], timed: Timed[Pictures]) -> None:
        """Tell who waits, and learn what it took; of what was given up, that it takes at least so long."""
        is_given_up = isinstance(timed.drawn, NobodyWaitsError)
        is_longer = timed.seconds > sum(map(self._expect, batch))
        if not isinstance(timed.drawn, Exception) or (is_given_up and is_longer):
            self._costs.learn([ticket.request for ticket in batch], batch[0].options, timed.seconds)
        outcomes = [timed.drawn] * len(batch) if isinstance(timed.drawn, Exception) else timed.drawn
        for ticket, outcome in zip(batch, outcomes, strict=True):
            if ticket.artwork.done():
                continue
            if isinstance(outcome, Exception):
                ticket.artwork.set_exception(outcome)
            else:
                ticket.artwork.set_result(outcome)

    def _next_batch(self, may_be_drawn: Callable[[_Ticket], bool]) -> list[_Ticket]:
        """Take the ticket whose turn it is, and those drawn in the same way, if they cost about as much.

        One at first, to see how long it takes; then what a short time is enough for. Nobody waits for a
        cancelled one.
        """
        self._waiting = deque(ticket for ticket in self._waiting if not ticket.artwork.done())
        waiting = [*filter(may_be_drawn, self._waiting)]
        places = Counter[str]()
        batch: list[_Ticket] = []
        seconds: defaultdict[str, float] = defaultdict(float)
        shares = self._recent.shares({ticket.caller for ticket in waiting})
        for ticket in sorted(waiting, key=lambda each: self._turn(each, places)):
            if batch and not self._suits(ticket, batch[0], seconds[ticket.caller], shares[ticket.caller]):
                continue
            if batch and self._is_long_enough(sum(seconds.values()) + self._expect(ticket)):
                break
            batch.append(ticket)
            seconds[ticket.caller] += self._expect(ticket)
            if len(batch) == self.artist.batch_size:
                break
        taken = set(map(id, batch))
        self._waiting = deque(ticket for ticket in self._waiting if id(ticket) not in taken)
        for ticket in batch[:1]:
            self._served[ticket.caller] = max(self._served.values(), default=0) + 1
        return batch

    def _suits(self, ticket: _Ticket, first: _Ticket, taken: float, share: float) -> bool:
        """Whether it is drawn as the first is, costs about as much, and is within its caller's share."""
        cost = self._expect(ticket)
        is_alike = ticket.options == first.options and cost <= DEAREST_IN_BATCH * self._expect(first)
        return is_alike and (not taken or taken + cost <= share)

    def _is_long_enough(self, seconds: float) -> bool:
        return not self._costs.is_known or seconds > min(LONGEST_BATCH, self.max_seconds / 2)

    def _turn(self, ticket: _Ticket, places: Counter[str]) -> tuple[int, int]:
        """Each caller's first ticket before anybody's second; who was served longest ago comes first."""
        places[ticket.caller] += 1
        return places[ticket.caller], self._served.get(ticket.caller, 0)

    def _expect(self, ticket: _Ticket) -> float:
        return self._costs.expect(ticket.request, ticket.options)


async def _run(thread: ThreadPoolExecutor, draw: Callable[[], Timed[Pictures]]) -> Timed[Pictures]:
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, draw)
    except RuntimeError as closed:
        return Timed(closed, 0.0)
