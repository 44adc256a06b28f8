"""The service over HTTP: one application, behind `fan serve` and behind MLflow's own server alike."""

import asyncio
import importlib.metadata
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import mlflow
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fan_model.request_errors import RequestError
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.callers.bearer_tokens import Caller
from fan_model.service.callers.paced_endpoints import Endpoint, paced
from fan_model.service.messages.json_bodies import CONTENT_TYPE, read_json
from fan_model.service.messages.payloads import MLFLOW, OWN, Protocol, encode_answers
from fan_model.service.messages.refusals import refuse
from fan_model.service.night_pictures import hand_out
from fan_model.service.observer import RequestObserver
from fan_model.service.openapi import (
    describe_invocations,
    describe_own,
    describe_pictures,
    describe_ready,
    name_types,
)

T = TypeVar("T")

DESCRIPTION = """Pictures in a user's taste, drawn now.

A refusal is one sentence, and repeats nothing that was sent."""


class HungUpError(RequestError):
    """The caller has gone: nobody would see the pictures, nor this."""

    http_status = 499


def build_application(service: ArtworkService) -> FastAPI:
    """Make the application of a service, which is closed when the application stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    # Its page of docs loads no script from elsewhere.
    application = FastAPIOffline(
        title="fan-artwork",
        version=importlib.metadata.version("fan-artwork"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_drawing(application, service)
    _add_probes(application, service)
    name_types(application, service)
    application.add_exception_handler(RequestError, _answer_refusal)
    application.add_exception_handler(HTTPException, _answer_http_error)
    paths = frozenset(getattr(route, "path", "") for route in application.routes)
    application.add_middleware(RequestObserver, metrics=service.metrics, paths=paths)
    return application


def _add_drawing(application: FastAPI, service: ArtworkService) -> None:
    application.post("/artworks", tags=["pictures"], **describe_own(service))(_drawing(service, OWN))
    application.get("/pictures", tags=["pictures"], **describe_pictures())(
        paced(hand_out(service.stored_pictures), service.tokens, service.refusal_pace)
    )
    application.post("/invocations", tags=["MLflow"], **describe_invocations(service))(
        _drawing(service, MLFLOW)
    )


def _add_probes(application: FastAPI, service: ArtworkService) -> None:
    described = {"/ready": describe_ready()}
    for path, endpoint, tag in (
        ("/health", _say_alive, "probes"),
        ("/ready", _readiness(service), "probes"),
        ("/metrics", _metrics(service), "probes"),
        ("/ping", _say_alive, "MLflow"),
        ("/version", _say_version, "MLflow"),
    ):
        application.get(path, tags=[tag], response_class=Response, **described.get(path, {}))(endpoint)


def _drawing(service: ArtworkService, protocol: Protocol) -> Endpoint:
    async def draw(request: Request, caller: Caller) -> Response:
        started = time.monotonic()
        content = await read_json(request, service.limits.max_body_bytes)
        payload = protocol.read(content, service.limits.max_rows)
        drawing = service.draw(payload, protocol.options_key, caller, time.monotonic() - started)
        answers = await _unless_hung_up(request, drawing)
        request.state.num_pictures = len(answers)
        return Response(encode_answers(answers, protocol.answer_key), media_type=CONTENT_TYPE)

    return paced(draw, service.tokens, service.refusal_pace)


def _readiness(service: ArtworkService) -> Endpoint:
    async def say_ready(_: Request) -> Response:
        """Say whether any good request could be answered now: the model is loaded, profiles can be read."""
        await service.check_ready()
        return _say("ready")

    return say_ready


def _metrics(service: ArtworkService) -> Endpoint:
    async def expose_metrics(_: Request) -> Response:
        """Counters in Prometheus' text format."""
        return Response(service.metrics.expose(), media_type=CONTENT_TYPE_LATEST)

    return expose_metrics


async def _say_alive(_: Request) -> Response:
    """Say that the process answers."""
    return _say("alive")


async def _say_version(_: Request) -> Response:
    """Name MLflow's version, as its own server does."""
    return Response(mlflow.__version__, media_type=CONTENT_TYPE)


def _say(status: str) -> Response:
    return Response(json.dumps({"status": status}), media_type=CONTENT_TYPE)


async def _unless_hung_up(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for the work, and give it up when the caller hangs up.

    Raises:
        HungUpError: The caller has hung up.
    """
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise HungUpError("the caller must wait for the answer")
        return tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _answer_refusal(_: Request, error: Exception) -> Response:
    return refuse(getattr(error, "http_status", 400), str(error))


async def _answer_http_error(_: Request, error: Exception) -> Response:
    """Put what the router has to say, of unknown paths and wrong methods, into the service's words."""
    status, headers = getattr(error, "status_code", 500), Headers(getattr(error, "headers", None))
    if status == 405:
        return refuse(status, f"the method must be {headers['Allow']}", headers)
    return refuse(status, "there is nothing at this path: /docs says what there is")
