"""The registered model as a service over HTTP."""

import signal
import socket
import sys
from datetime import UTC, datetime
from types import FrameType

from fastapi import FastAPI

from fan_model.method.crowd_contrast import NOBODY, Crowd
from fan_model.service.application import build_application
from fan_model.service.artwork_service import ArtworkService
from fan_model.service.request_log import open_log
from fan_model.service.sleeping_server import SleepingServer
from feature_store.lake.lake import LakeError
from flows.model.champion import Champion, load_champion
from flows.model.served_model import deployment
from flows.settings import Settings
from flows.stages.crowd import as_crowd, current_crowd
from flows.workspace import open_lake

GRACE_SECONDS = 10
"""How long a stopped service waits for answers to be sent, beyond the longest that callers wait."""


class AddressError(OSError):
    """The service cannot listen where it was told to."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Load the settings' model, then open the port, and answer until the process is told to stop.

    Told so by SIGTERM, it takes no more requests, answers those it has, and exits with code 0.

    Raises:
        AddressError: The port cannot be had.
    """
    listener = _reserve(host, port)
    signal.signal(signal.SIGTERM, _leave)
    application = load_application(settings)
    server = SleepingServer(application, int(settings.serving.max_wait_seconds) + GRACE_SECONDS)
    open_log()
    print(f"listening at http://{host}:{listener.getsockname()[1]}, described at /docs", file=sys.stderr)
    server.run(sockets=[listener])


def load_application(settings: Settings) -> FastAPI:
    """Load the settings' model, and make the application that serves it."""
    champion = load_champion(settings, cache_bytes=settings.serving.cache_bytes)
    model = settings.model
    print(f"models:/{model.name}@{model.alias} is version {champion.version}", file=sys.stderr)
    crowd = _read_crowd(settings, champion)
    return build_application(ArtworkService(champion.artist, deployment(settings, crowd)))


def _read_crowd(settings: Settings, champion: Champion) -> Crowd:
    """What nights contrast with, as it is when the service starts; nobody where there is no lake."""
    if not settings.drawing.contrast:
        return NOBODY
    try:
        lake = open_lake(settings, read_only=True)
    except LakeError as error:
        print(f"nothing is contrasted with a crowd: {error}", file=sys.stderr)
        return NOBODY
    try:
        fingerprint = champion.artist.encoder_fingerprint
        return as_crowd(current_crowd(settings, lake, fingerprint, datetime.now(UTC)))
    finally:
        lake.close()


def _reserve(host: str, port: int) -> socket.socket:
    """Take the port before there is a model to load; it refuses connections until the service listens."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressError(
            f"cannot listen at {host}:{port} ({error.strerror}): choose another --host or --port"
        ) from error
    return listener


def _leave(_: int, __: FrameType | None) -> None:
    """Exit in good order: by default the signal kills, also when uvicorn passes it on at its end."""
    sys.exit(0)
