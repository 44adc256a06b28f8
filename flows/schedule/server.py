"""Prefect's server, where none is configured: one for the clock, or Prefect's temporary one for one night.

Either ends with this process, even where that is killed: what a kill left behind would stay in memory.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_API_URL,
    PREFECT_HOME,
    temporary_settings,
)

from feature_store.lake.durable_files import name_aside

HOST = "127.0.0.1"
PREFECT_PORT = 4200
STARTUP_SECONDS = 120.0
SQLITE = "sqlite+aiosqlite:///"
_WATCHERS: list[subprocess.Popen[bytes]] = []
"""Kept, for what they read from closes when they are forgotten."""


class ServerError(RuntimeError):
    """Prefect's server did not start."""


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
    _make_database()
    port = _free_port(PREFECT_PORT)
    url = f"http://{HOST}:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    log = PREFECT_HOME.value() / "server.log"
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    end_with_this_process(server)
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


def start_temporary_server() -> None:
    """Start the server that Prefect would start by itself, unless one is configured.

    Raises:
        ServerError: if it does not start.
    """
    if PREFECT_API_URL.value():
        return
    from prefect.server.api.server import SubprocessASGIServer  # the whole server: only where it is wanted

    server = SubprocessASGIServer()
    _make_database()
    try:
        server.start()
    except RuntimeError as error:
        home = PREFECT_HOME.value()
        raise ServerError(
            f"Prefect's temporary server did not start: see that the disk of {home} has room and may be "
            "written, and run the same command again"
        ) from error
    assert server.server_process is not None
    end_with_this_process(server.server_process)


def end_with_this_process(child: subprocess.Popen[bytes]) -> None:
    """Let a shell wait for this process to be gone, however it goes, and then end the child."""
    watch = ["/bin/sh", "-c", f"read _ || kill {child.pid}"]
    nowhere = subprocess.DEVNULL
    _WATCHERS.append(subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere))


def _make_database() -> None:
    """Make the server's SQLite file whole or not at all: stopped among its tables, it never opens again."""
    file = PREFECT_HOME.value() / "prefect.db"
    if file.exists() or PREFECT_API_DATABASE_CONNECTION_URL.value() != f"{SQLITE}{file}":
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = name_aside(file)
    made = subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
        env=os.environ | {"PREFECT_API_DATABASE_CONNECTION_URL": f"{SQLITE}{aside}"},
        capture_output=True,
    )
    if made.returncode:
        aside.unlink(missing_ok=True)
        raise ServerError(
            f"Prefect's database {file} could not be made: see that its disk has room and may be written, "
            "and run the same command again"
        )
    os.replace(aside, file)


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
