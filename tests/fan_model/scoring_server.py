"""The real server of a registered model, as its README starts it, and a client that speaks plain HTTP."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    def post(self, body, content_type="application/json", path="/invocations", method="POST") -> Answer:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def draw(self, *rows, **params):
        answer = self.post({"dataframe_records": list(rows), "params": params})
        assert answer.status == 200, answer.body
        return answer.json()["predictions"]

    def memory_mib(self) -> float:
        """Resident memory of the server, with its child processes."""
        kibibytes = subprocess.run(
            ["ps", "-o", "rss=", "--pid", str(self.pid), "--ppid", str(self.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        return sum(map(int, kibibytes.stdout.split())) / 1024


@contextmanager
def serve(tracking_uri: str, log: Path, uri: str = "models:/fan-artwork@champion", **environment: str):
    """Run `mlflow models serve` on a free port until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        **environment,
    }
    command = [programs / "mlflow", "models", "serve", "-m", uri, "--env-manager", "local"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)], env=environment, stdout=file, stderr=file
        )
    try:
        server = Server(port, process.pid)
        _wait_until_ready(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(server, process, log):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.post(b"", path="/invocations").status == 400:
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
