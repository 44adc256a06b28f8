"""The queue in front of the artist: batches, bounds, and nobody's picture mixed with another's."""

import asyncio
import time

import pytest

from fan_model.drawing.artist import Artist, ArtworkRequest, DrawingOptions
from fan_model.drawing.personalizer import Personalizer
from fan_model.encoders.breaks import take_break
from fan_model.service.callers import recent_callers
from fan_model.service.drawing_queue import DrawingQueue, QueueFullError, QueueTooSlowError
from tests.fan_model.pipelines import stable_diffusion

OPTIONS = DrawingOptions(num_inference_steps=1)


class CountingArtist(Artist):
    """An artist who remembers the sizes of the batches, and may be slow."""

    seconds = 0.0

    def draw_each(self, requests, options, **how):
        self.__dict__.setdefault("batches", []).append(len(requests))
        self.__dict__.setdefault("prompts", []).append([request.prompt for request in requests])
        time.sleep(self.seconds)
        return super().draw_each(requests, options, **how)


@pytest.fixture
def artist():
    return CountingArtist(
        [Personalizer(stable_diffusion(), batch_size=4)], encoder_fingerprint="e", pipeline_fingerprint="p"
    )


def requests(count):
    return [ArtworkRequest(prompt=f"picture {seed}", references=("sea",), seed=seed) for seed in range(count)]


def test_requests_that_wait_together_are_drawn_together(artist):
    async def ask_for_nine():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        return await asyncio.gather(*(queue.draw([request], OPTIONS) for request in requests(9)))

    together = [artwork for (artwork,) in asyncio.run(ask_for_nine())]
    assert artist.batches == [1, 4, 4]
    assert together == [artist.draw([request], OPTIONS)[0] for request in requests(9)]


def test_requests_with_different_options_are_never_drawn_together(artist):
    async def ask():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        options = [DrawingOptions(num_inference_steps=1, alpha=alpha) for alpha in (0.0, 0.9, 0.0, 0.9)]
        return await asyncio.gather(
            *(queue.draw([request], how) for request, how in zip(requests(4), options, strict=True))
        )

    drawn = asyncio.run(ask())
    assert artist.batches == [1, 2, 1]
    assert [artwork.seed for (artwork,) in drawn] == [0, 1, 2, 3]


def test_a_full_queue_refuses_and_has_room_again_afterwards(artist):
    async def overfill():
        queue = DrawingQueue(artist, max_pictures=3, max_seconds=60)
        first = asyncio.create_task(queue.draw(requests(3), OPTIONS))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="room for 3 pictures and is full"):
            await queue.draw(requests(1), OPTIONS)
        await first
        return await queue.draw(requests(3), OPTIONS)

    assert len(asyncio.run(overfill())) == 3


def test_who_waits_too_long_is_told_so_and_is_not_drawn(artist):
    async def hurry():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=0)
        with pytest.raises(QueueTooSlowError, match="too busy to draw within 0 s"):
            await queue.draw(requests(8), OPTIONS)
        queue.max_seconds = 60
        return await queue.draw(requests(2), OPTIONS)

    assert len(asyncio.run(hurry())) == 2
    assert sum(artist.batches) < 8


def test_a_slow_artist_owes_no_more_than_can_be_drawn_in_time(artist):
    artist.seconds = 0.3

    async def ask_a_slow_one():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        await queue.draw(requests(1), OPTIONS)
        queue.max_seconds = 0.4
        first = asyncio.create_task(queue.draw(requests(1), OPTIONS))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="room for 1 pictures and is full"):
            await queue.draw(requests(1), OPTIONS)
        queue.max_seconds = 60
        await asyncio.gather(first, return_exceptions=True)
        return await queue.draw(requests(3), OPTIONS)

    assert len(asyncio.run(ask_a_slow_one())) == 3
    assert max(artist.batches) == 3


def test_a_slow_artist_draws_small_batches(artist):
    artist.seconds = 0.3

    async def ask_a_slow_one():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        await queue.draw(requests(1), OPTIONS)
        queue.max_seconds = 0.5
        with pytest.raises(QueueTooSlowError, match="too busy"):
            await queue.draw(requests(4), OPTIONS)
        queue.max_seconds = 60
        await queue.draw(requests(4), OPTIONS)

    asyncio.run(ask_a_slow_one())
    assert artist.batches[:2] == [1, 1]
    assert artist.batches[-1] == 4


def test_a_failure_reaches_everybody_in_the_batch_and_nobody_else(artist):
    async def fail():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        too_large = DrawingOptions(num_inference_steps=1, height=8192)
        good = asyncio.create_task(queue.draw(requests(1), OPTIONS))
        with pytest.raises(ValueError, match="height must be a multiple of"):
            await queue.draw(requests(2), too_large)
        return await good

    assert len(asyncio.run(fail())) == 1


def test_callers_take_turns_however_many_pictures_one_of_them_wants(artist):
    artist.seconds = 0.02
    order = []

    async def ask(queue, caller, count):
        for request in requests(count):
            await queue.draw([request], OPTIONS, caller=caller)
            order.append(caller)

    async def compete():
        queue = DrawingQueue(artist, max_pictures=64, max_seconds=60)
        greedy = [asyncio.create_task(ask(queue, "greedy", 1)) for _ in range(30)]
        await asyncio.sleep(0)
        await ask(queue, "modest", 3)
        finished = len(order)
        await asyncio.gather(*greedy)
        return finished

    assert asyncio.run(compete()) <= 3 * (1 + artist.batch_size) + artist.batch_size


def test_a_batch_holds_no_more_of_a_caller_than_another_asks_for(artist, monkeypatch):
    artist.seconds = 0.02

    async def ask():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        await queue.draw(requests(1), OPTIONS, caller="many")
        await queue.draw(requests(8), OPTIONS, caller="many")
        await queue.draw(requests(1), OPTIONS, caller="one")
        await queue.draw(requests(4), OPTIONS, caller="many")
        monkeypatch.setattr(recent_callers, "REMEMBERED_SECONDS", 0.0)
        await queue.draw(requests(4), OPTIONS, caller="many")

    asyncio.run(ask())
    assert artist.batches == [1, 4, 4, 1, 1, 1, 1, 1, 4]


def test_pictures_of_different_callers_are_drawn_together(artist):
    artist.seconds = 0.02

    async def ask():
        queue = DrawingQueue(artist, max_pictures=64, max_seconds=60)
        await queue.draw(requests(1), OPTIONS, caller="0")
        await asyncio.gather(*(queue.draw(requests(1), OPTIONS, caller=str(n)) for n in range(9)))

    asyncio.run(ask())
    assert artist.batches == [1, 4, 4, 1]


def test_each_of_two_callers_has_half_the_room(artist):
    artist.seconds = 0.1

    async def fill():
        queue = DrawingQueue(artist, max_pictures=4, max_seconds=60)
        greedy = asyncio.create_task(queue.draw(requests(4), OPTIONS, caller="greedy"))
        await asyncio.sleep(0.01)
        modest = asyncio.create_task(queue.draw(requests(2), OPTIONS, caller="modest"))
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFullError, match="has room for 2 pictures"):
            await queue.draw(requests(1), OPTIONS, caller="modest")
        return await greedy, await modest

    assert [len(drawn) for drawn in asyncio.run(fill())] == [4, 2]


def test_references_are_charged(artist):
    costly = ArtworkRequest(prompt="x", references=tuple(f"reference {number}" for number in range(100)))

    async def ask():
        queue = DrawingQueue(artist, max_pictures=64, max_seconds=1.0)
        cheap = ArtworkRequest(prompt="x")
        for _ in range(4):
            queue._costs.learn([cheap], OPTIONS, 0.01)
            queue._costs.learn([costly], OPTIONS, 0.5)
        artist.seconds = 0.05
        waiting = asyncio.create_task(queue.draw([cheap] * 3, OPTIONS))
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFullError, match="is full"):
            await queue.draw([costly] * 3, OPTIONS)
        more = await queue.draw([cheap] * 3, OPTIONS)
        return len(await waiting) + len(more)

    assert asyncio.run(ask()) == 6


def test_what_was_waited_for_the_body_counts(artist):
    artist.seconds = 0.3

    async def ask():
        queue = DrawingQueue(artist, max_pictures=4, max_seconds=60)
        return await queue.draw(requests(1), OPTIONS, seconds=0.05)

    with pytest.raises(QueueTooSlowError, match="too busy"):
        asyncio.run(ask())


def _named(name, count, num_references=0):
    references = tuple(f"reference {number}" for number in range(num_references))
    return [ArtworkRequest(prompt=f"{name} {place}", references=references) for place in range(count)]


def test_whoever_is_owed_nothing_is_let_in_with_one_however_long_it_may_take(artist):
    artist.seconds = 0.1

    async def ask():
        queue = DrawingQueue(artist, max_pictures=16, max_seconds=60)
        queue._costs.learn(requests(1), OPTIONS, 1000.0)
        first = asyncio.create_task(queue.draw(requests(1), OPTIONS, caller="first"))
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFullError, match="room for 1 pictures"):
            await queue.draw(requests(2), OPTIONS, caller="second")
        return await queue.draw(requests(1), OPTIONS, caller="second"), await first

    assert [len(drawn) for drawn in asyncio.run(ask())] == [1, 1]


def test_a_batch_holds_each_callers_first_picture_before_anybodys_second(artist):
    artist.seconds = 0.1

    async def ask():
        queue = DrawingQueue(artist, max_pictures=64, max_seconds=60)
        queue._costs.learn(requests(1), OPTIONS, 0.01)
        waiting = [asyncio.create_task(queue.draw(_named("served", 1), OPTIONS, caller="served"))]
        await asyncio.sleep(0.01)
        for caller in ("served", "new"):
            wanted = queue.draw(_named(caller, 4), OPTIONS, caller=caller)
            waiting.append(asyncio.create_task(wanted))
        await asyncio.gather(*waiting)

    asyncio.run(ask())
    assert artist.prompts[1] == ["new 0", "served 0", "new 1", "served 1"]


def test_a_dear_picture_is_not_drawn_together_with_cheap_ones(artist):
    artist.seconds = 0.05

    async def ask():
        queue = DrawingQueue(artist, max_pictures=64, max_seconds=60)
        for _ in range(4):
            queue._costs.learn(_named("cheap", 1), OPTIONS, 0.01)
            queue._costs.learn(_named("dear", 1, num_references=100), OPTIONS, 0.5)
        wanted = [*_named("cheap", 2), *_named("dear", 1, num_references=100), *_named("also cheap", 1)]
        await queue.draw(wanted, OPTIONS)

    asyncio.run(ask())
    assert artist.prompts == [["cheap 0", "cheap 1", "also cheap 0"], ["dear 0"]]


LONG = DrawingOptions(num_inference_steps=60)


def _queue_that_knows_costs(artist):
    queue = DrawingQueue(artist, max_pictures=64, max_seconds=60)
    for options in (OPTIONS, LONG):
        queue._costs.learn(requests(1), options, 0.01 * options.steps)
    return queue


async def _ask_beside_a_long_one(artist, *, caller, count=3):
    """Ask for one picture after another once a long one is being drawn; return who was ready when."""
    queue, ready = _queue_that_knows_costs(artist), []

    async def ask(asker, request, options):
        (artwork,) = await queue.draw([request], options, caller=asker)
        ready.append((asker, artwork))

    long = asyncio.create_task(ask("long", requests(1)[0], LONG))
    while not getattr(artist, "batches", []):
        await asyncio.sleep(0.001)
    for request in requests(count):
        await ask(caller, request, OPTIONS)
    await long
    return ready


def test_a_quick_picture_overtakes_a_long_one_of_another_caller_and_both_stay_the_same(artist):
    ready = asyncio.run(_ask_beside_a_long_one(artist, caller="quick"))
    assert [caller for caller, _ in ready][0] == "quick"
    drawn = dict(ready[::-1])
    assert drawn["long"] == artist.draw(requests(1), LONG)[0]
    assert drawn["quick"] == artist.draw(requests(1), OPTIONS)[0]


def test_nobody_overtakes_themselves(artist):
    ready = asyncio.run(_ask_beside_a_long_one(artist, caller="long", count=1))
    assert [len(artwork.image) > 0 for _, artwork in ready] == [True, True]
    assert ready[0][1] == artist.draw(requests(1), LONG)[0]


def test_what_takes_about_as_long_waits_for_its_turn(artist):
    async def ask():
        queue, ready = _queue_that_knows_costs(artist), []

        async def draw(caller, options):
            await queue.draw(requests(1), options, caller=caller)
            ready.append(caller)

        other = DrawingOptions(num_inference_steps=40)
        first = asyncio.create_task(draw("first", LONG))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, draw("second", other))
        return ready

    assert asyncio.run(ask()) == ["first", "second"]


def test_a_long_picture_comes_to_its_end_among_quick_ones_without_end(artist):
    async def ask():
        queue = _queue_that_knows_costs(artist)
        long = asyncio.create_task(queue.draw(requests(1), LONG, caller="long"))
        await asyncio.sleep(0.01)
        num_quick = 0
        while not long.done():
            await queue.draw(requests(1), OPTIONS, caller="quick")
            num_quick += 1
        return num_quick, await long

    num_quick, (artwork,) = asyncio.run(ask())
    assert num_quick > 1
    assert artwork == artist.draw(requests(1), LONG)[0]


class PatientArtist(CountingArtist):
    """An artist who takes ten thousand breaks before a picture, and counts them."""

    num_breaks = 0

    def draw_each(self, requests, options, **how):
        for _ in range(10_000):
            take_break()
            self.num_breaks += 1
            time.sleep(0.001)
        return []


def test_a_picture_whose_caller_has_left_is_drawn_no_further(artist):
    artist.__class__ = PatientArtist

    async def leave():
        queue = DrawingQueue(artist, max_pictures=4, max_seconds=60)
        with pytest.raises(QueueTooSlowError, match="too busy"):
            await queue.draw(requests(1), OPTIONS, seconds=0.05)
        await asyncio.to_thread(queue.close)
        return queue._costs.is_known

    assert asyncio.run(leave())
    assert 0 < artist.num_breaks < 10_000


def test_what_was_given_up_early_does_not_count_as_quick(artist):
    artist.__class__ = PatientArtist

    async def leave():
        queue = DrawingQueue(artist, max_pictures=4, max_seconds=60)
        queue._costs.learn(requests(1), OPTIONS, 1000.0)
        with pytest.raises(QueueTooSlowError, match="too busy"):
            await queue.draw(requests(1), OPTIONS, seconds=0.05)
        await asyncio.to_thread(queue.close)
        return queue._costs.expect(requests(1)[0], OPTIONS)

    assert asyncio.run(leave()) == pytest.approx(1000.0)
