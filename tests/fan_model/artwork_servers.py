"""The two servers of a registered model, as people start them, and a client that speaks plain HTTP."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
CHAMPION = "models:/fan-artwork@champion"
FAN = "from flows.cli import main; main()"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen
    log: Path

    def ask(self, path, *, method="GET", body=b"", content_type="application/json") -> Answer:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post(self, body, content_type="application/json", path="/invocations") -> Answer:
        return self.ask(path, method="POST", body=body, content_type=content_type)

    def draw(self, *rows, **options):
        answer = self.post({"rows": list(rows), "options": options}, path="/artworks")
        assert answer.status == 200, answer.body
        return answer.json()["artworks"]

    def processes(self) -> list[int]:
        """Ids of the server's process and its child processes."""
        pid = str(self.process.pid)
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--pid", pid, "--ppid", pid], capture_output=True, text=True, check=True
        )
        return list(map(int, listed.stdout.split()))

    def memory_mib(self) -> float:
        """Resident memory of all processes."""
        statuses = [Path(f"/proc/{pid}/statm").read_text() for pid in self.processes()]
        return sum(int(status.split()[1]) for status in statuses) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self) -> float:
        """Processor time that all processes have used since they began."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in self.processes()]
        return sum(sum(map(int, stat.split()[11:13])) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def wakings(self) -> int:
        """How often the server's main thread has gone to sleep, and so woken, since it began."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


@contextmanager
def fan_serve(settings_file: Path, log: Path, **environment: str):
    """Run `fan serve` on a free port until the block ends; it must exit with code 0."""
    command = [sys.executable, "-c", FAN, "serve", "--settings", str(settings_file)]
    with _running(command, "--port", log, environment) as server:
        yield server
    assert server.process.returncode == 0, log.read_text()[-2000:]


@contextmanager
def mlflow_serve(tracking_uri: str, log: Path, **environment: str):
    """Run `mlflow models serve` on a free port until the block ends."""
    command = [PROGRAMS / "mlflow", "models", "serve", "-m", CHAMPION, "--env-manager", "local"]
    environment = {"MLFLOW_TRACKING_URI": tracking_uri, **environment}
    with _running([*command, "-h", "127.0.0.1"], "-p", log, environment) as server:
        yield server


def server_environment() -> dict[str, str]:
    """The environment, with the programs beside this Python, and with this checkout's packages first."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}


@contextmanager
def _running(command, port_option, log, environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, port_option, str(port)],
            env=server_environment() | environment,
            stdout=file,
            stderr=file,
        )
    try:
        server = Server(port, process, log)
        _wait_until_alive(server)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_alive(server):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.ask("/health").status == 200:
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the server did not start:\n{server.log.read_text()[-2000:]}")
