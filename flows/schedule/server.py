"""Prefect's server: the one that is configured, or one started here with `prefect server start`."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from feature_store.schemas.addresses import without_secrets
from flows.schedule import server_process

HOST = "127.0.0.1"
STARTUP_SECONDS = 300.0
"""A new database takes half a minute of processor time; a server that stops by itself is not waited for."""


class ServerError(RuntimeError):
    """Prefect's server does not answer; the message says what to do."""


@contextmanager
def use_server() -> Iterator[str]:
    """Use the configured Prefect server, or one that is started here and ended with this block.

    Prefect would start a temporary server for a flow by itself, but one that cannot open its database would
    be started over and over, and only a server of its own keeps the time of a schedule.

    Yields:
        The address of its API.

    Raises:
        ServerError: if it does not answer, or does not start.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        _require_answer(str(configured))
        yield str(configured)
        return
    port = _free_port()
    url = f"http://{HOST}:{port}/api"
    with _run_server(port), _point_to(url):
        yield url


@contextmanager
def _run_server(port: int) -> Iterator[None]:
    """Start a server on a port of this machine, and end it with this block."""
    home = PREFECT_HOME.value()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    command = [sys.executable, server_process.__file__, "--host", HOST, "--port", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_healthy(server, f"http://{HOST}:{port}/api/health", log)
        yield
    finally:
        # Its input ends with this, and with a process that was killed.
        server.communicate(timeout=30)


@contextmanager
def _point_to(url: str) -> Iterator[None]:
    """Let this process, and those that it starts, find the server: runs that are served have their own."""
    os.environ["PREFECT_API_URL"] = url
    try:
        with temporary_settings({PREFECT_API_URL: url}):
            yield
    finally:
        del os.environ["PREFECT_API_URL"]


def _require_answer(url: str) -> None:
    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise ServerError(
                f"Prefect's server at {without_secrets(url)} does not answer: start it, or name another in "
                "PREFECT_API_URL"
            )


def _free_port() -> int:
    """Any free port: one that is always the same would be another night's that begins at the same time."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: subprocess.Popen[bytes], health: str, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(health, timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    database = log.with_name("prefect.db")
    raise ServerError(
        f"Prefect's server did not start ({log} has its words): see that the disk has room and may be "
        f"written; if a kill left the database half-made, delete {database} or run `prefect server database "
        "reset -y`, which loses nothing but Prefect's record of past runs"
    )
