"""The endpoint by itself: bodies that do not end, and more rows than the queue can hold."""

import asyncio

import pytest
from starlette.requests import Request

from fan_model.drawing.artist import Artist, DrawingOptions
from fan_model.service import scoring_endpoint
from fan_model.service.drawing_queue import DrawingQueue
from fan_model.service.scoring_endpoint import ScoringEndpoint
from tests.fan_model.pipelines import stable_diffusion


@pytest.fixture(scope="module")
def endpoint():
    artist = Artist(stable_diffusion(), encoder_fingerprint="e", pipeline_fingerprint="p")
    queue = DrawingQueue(artist, max_pictures=2, max_seconds=60)
    return ScoringEndpoint(queue, DrawingOptions(num_inference_steps=1))


def answer(endpoint, receive):
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers}
    return asyncio.run(endpoint.answer(Request(scope, receive)))


def test_a_body_that_does_not_end_is_given_up(endpoint, monkeypatch):
    monkeypatch.setattr(scoring_endpoint, "BODY_SECONDS", 0.01)

    async def never_ends():
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b" ", "more_body": True}

    refusal = answer(endpoint, never_ends)
    assert refusal.status_code == 408
    assert b"the body must arrive within" in refusal.body


def test_more_rows_than_the_queue_has_room_for_are_too_many_at_any_time(endpoint):
    async def three_rows():
        return {"type": "http.request", "body": b'{"inputs": [{}, {}, {}]}', "more_body": False}

    refusal = answer(endpoint, three_rows)
    assert refusal.status_code == 400
    assert b"inputs must have 1 to 2 rows" in refusal.body
