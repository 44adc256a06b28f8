"""Serving the nightly by the clock."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows.nightly import nightly

HOST = "127.0.0.1"
PREFECT_PORT = 4200
STARTUP_SECONDS = 120.0


class ServerError(RuntimeError):
    """Prefect's server did not start."""


def serve_nightly(cron: str, settings_file: Path | None) -> None:
    """Run the nightly at the times of a cron expression (UTC), until the process is stopped.

    Raises:
        ServerError: if no server is configured and none could be started.
    """
    parameters = {"settings_file": str(settings_file.resolve())} if settings_file else {}
    with use_server() as url:
        print(
            f"Serving the nightly at '{cron}' (UTC); Prefect shows it at {url.removesuffix('/api')}",
            flush=True,
        )
        nightly.serve(name="nightly", cron=cron, parameters=parameters, limit=1, print_starting_message=False)


@contextmanager
def use_server() -> Iterator[str]:
    """Use the configured Prefect server, or one started here: only a server of its own keeps the time.

    Yields:
        The address of its API.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        yield str(configured)
        return
    port = _free_port(PREFECT_PORT)
    url = f"http://{HOST}:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    log = PREFECT_HOME.value() / "server.log"
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_healthy(server, url, log)
        # The runs that are served start in processes of their own, which read the environment.
        os.environ["PREFECT_API_URL"] = url
        with temporary_settings({PREFECT_API_URL: url}):
            yield url
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        server.terminate()
        server.wait(timeout=30)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError(f"no port is free on {HOST}")


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise ServerError(
        f"Prefect's server did not answer at {url} within {STARTUP_SECONDS:.0f} s ({log} has its words): "
        "start one with `prefect server start` and name it in PREFECT_API_URL"
    )
