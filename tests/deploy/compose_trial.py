"""Does what `docker compose up` does with `deploy/compose.yaml`, on machines of Linux' own parts.

Commands, environments, names, order, health checks and volumes are the file's. In place of its images stands
what is installed here: this environment for the project's own, PostgreSQL, the S3 server of the tests.
"""

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.machines_of_linux import Machine, Network

SETTINGS = "deploy/trial.toml"
PROJECT = Path(__file__).parents[2]
COMPOSE = PROJECT / "deploy" / "compose.yaml"
POSTGRES_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
OWN_IMAGE = "fan-artwork"
PATIENCE_SECONDS = 300.0
POSTGRES_ENTRY = """
set -e
cd "$PGDATA"
echo "$POSTGRES_PASSWORD" > /tmp/password
initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 --no-sync > /dev/null
echo "host all all all scram-sha-256" >> pg_hba.conf
pg_ctl -w -o "-c listen_addresses= -k /tmp" start > /dev/null
createdb --host=/tmp --username="$POSTGRES_USER" "$POSTGRES_DB"
pg_ctl -w stop > /dev/null
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp,/var/run/postgresql
"""
"""What the entry point of PostgreSQL's image does, by its documented variables."""


@dataclass
class Service:
    """A service of the file that was started."""

    machine: Machine
    environment: dict[str, str]
    process: subprocess.Popen = field(init=False)


class Trial:
    """The services of the compose file, started in their order."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self.network = Network(folder)
        self.logs = logs
        self.stated: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
        self.started: dict[str, list[Service]] = {}

    def up(self) -> None:
        """Start every service after those that it depends on."""
        for name in self.stated:
            self._start(name)

    def _start(self, name: str) -> None:
        if name in self.started:
            return
        stated = self.stated[name]
        for other, condition in _dependencies(stated):
            self._start(other)
            self._await(other, condition)
        number = int(stated.get("deploy", {}).get("replicas", 1))
        self.started[name] = [self._make(name, stated, place) for place in range(1, number + 1)]

    def _make(self, name: str, stated: dict[str, Any], place: int) -> Service:
        """Make a service's machine with its volumes, and start it; the first replica answers to its name."""
        machine = self.network.add(f"{name}-{place}", name if place == 1 else f"{name}-{place}")
        for volume in stated.get("volumes", ()):
            source, target = volume.split(":")[:2]
            machine.mount(self._source(source), target)
        if stated["image"] == OWN_IMAGE:
            machine.mount(PROJECT, "/app")
        service = Service(machine, _environment(stated))
        self._begin(name, place, service)
        return service

    def _begin(self, name: str, place: int, service: Service) -> None:
        words, options = self._words(self.stated[name], service.machine)
        with (self.logs / f"{name}-{place}.log").open("ab") as log:
            service.process = service.machine.run(
                words, service.environment, stdout=log, stderr=log, **options
            )

    def _source(self, named: str) -> Path:
        """A path beside the compose file, or a named volume."""
        if named.startswith("."):
            return COMPOSE.parent / named
        volume = self.network.folder / "volumes" / named
        volume.mkdir(parents=True, exist_ok=True)
        return volume

    def _words(self, stated: dict[str, Any], machine: Machine) -> tuple[list[str], dict[str, Any]]:
        image = stated["image"].split(":")[0]
        if image == "postgres":
            return ["bash", "-c", POSTGRES_ENTRY], self._for_postgres(machine)
        words = shlex.split(stated["command"])
        if image == "chrislusf/seaweedfs":
            return ["weed", *words], {}
        assert image == OWN_IMAGE, image
        return words, {"folder": "/app"}

    def _for_postgres(self, machine: Machine) -> dict[str, Any]:
        """Its image's user owns the volume."""
        data = self.network.folder / "volumes" / "postgres"
        subprocess.run(["chown", "postgres:postgres", data], check=True)
        (machine.root / "var/run/postgresql").mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "postgres:postgres", machine.root / "var/run/postgresql"], check=True)
        return {"user": "postgres"}

    def _await(self, name: str, condition: str) -> None:
        """Wait as `depends_on` says: until it was started, is healthy, or has ended well."""
        end = time.monotonic() + PATIENCE_SECONDS
        (service,) = self.started[name]
        while condition != "service_started" and not self._holds(name, condition):
            assert time.monotonic() < end, f"{name} is not {condition}"
            time.sleep(0.5)
        assert condition != "service_started" or service.process.poll() is None, f"{name} has ended"

    def _holds(self, name: str, condition: str) -> bool:
        (service,), stated = self.started[name], self.stated[name]
        if condition == "service_healthy":
            (kind, *words) = stated["healthcheck"]["test"]
            assert kind == "CMD", kind
            return self.call(name, *words, check=False, capture_output=True).returncode == 0
        assert condition == "service_completed_successfully", condition
        if service.process.poll() not in (None, 0) and stated.get("restart") == "on-failure":
            self._begin(name, 1, service)
        return service.process.poll() == 0

    def call(self, name: str, *words: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess:
        """Do what `docker compose exec` does."""
        service = self.started[name][0]
        folder = "/app" if self.stated[name]["image"] == OWN_IMAGE else "/"
        command = service.machine.command(words, folder)
        return subprocess.run(command, env=service.environment, check=check, **options)


def _dependencies(stated: dict[str, Any]) -> Iterator[tuple[str, str]]:
    depends = stated.get("depends_on", {})
    if isinstance(depends, list):
        depends = {name: {"condition": "service_started"} for name in depends}
    yield from ((name, how["condition"]) for name, how in depends.items())


def _environment(stated: dict[str, Any]) -> dict[str, str]:
    """What an image sets, and what the file adds; nothing of the environment of whoever runs this."""
    path = [str(Path(sys.executable).parent), str(POSTGRES_PROGRAMS), "/usr/local/bin", "/usr/bin", "/bin"]
    own = {
        "PATH": ":".join(path),
        "HOME": "/root",
        "PYTHONPATH": "/app",
        "PGDATA": "/var/lib/postgresql/data",
        # Machines know each other by their hosts files: there is no name server, which gRPC would ask.
        "GRPC_DNS_RESOLVER": "native",
    }
    lines = (PROJECT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    stated_by_image = " ".join(line.removeprefix("ENV ") for line in lines if line.startswith("ENV "))
    own |= dict(pair.split("=", 1) for pair in stated_by_image.split())
    return own | {key: str(value) for key, value in (stated.get("environment") or {}).items()}


def _read(address: str) -> tuple[int, str]:
    """Read an address as somebody who has logged in nowhere: status and text."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as refused:
        return refused.code, ""


def look_around(trial: Trial) -> dict[str, Any]:
    """Read what whoever tries it out would look at, without logging in."""
    address = {name: machine.address for name, machine in trial.network.machines.items()}
    store = f"http://{address['s3-1']}:8333/fan/trial"
    status, page = _read(f"{store}/gallery/index.html")
    pictures = sorted(set(re.findall(r"\.\./(images/[^\"' ]+)", page)))
    ask = "SELECT count(*) AS drawn, count(DISTINCT user_id) AS users FROM artworks"
    words = ("fan", "query", ask, "--format", "csv", "--settings", SETTINGS)
    asked = trial.call("ray-head", *words, capture_output=True, text=True)
    return {
        "gallery": status,
        "pictures": [_read(f"{store}/{picture}")[0] for picture in pictures[:3]],
        "tables": _read(f"{store}/lake/")[0],
        "mlflow": _read(f"http://{address['mlflow-1']}:5000/health"),
        "prefect": _read(f"http://{address['prefect-1']}:4200/api/health"),
        "asked": asked.stdout,
        "workers": [
            "Ray runtime started" in (trial.logs / f"ray-worker-{place}.log").read_text() for place in (1, 2)
        ],
    }


def main(folder: Path, logs: Path, *more: str) -> None:
    """Start everything, run a night as the file's head says, and write what was seen."""
    trial = Trial(folder, logs)
    trial.up()
    night = trial.call(
        "ray-head", "env", *more, "fan", "nightly", "--settings", SETTINGS, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    (logs / "night.log").write_text(night.stdout + night.stderr)
    seen = {"status": night.returncode, "said": night.stdout, "errors": night.stderr}
    (logs / "seen.json").write_text(json.dumps(seen if night.returncode else seen | look_around(trial)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
