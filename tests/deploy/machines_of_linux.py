"""Machines made of Linux' own parts, where there is no container engine: each has its own network and files.

Everything lies in the namespaces of the process that makes them (`in_a_world_of_its_own`), and ends with it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BRIDGE = "fan-bridge"
SUBNET = "10.77.0"
OWN_FILES = ("proc", "dev", "sys")
"""Folders of the kernel, which are not layered over."""


def why_no_machines() -> str | None:
    """Say why no machines can be made here; None if they can."""
    if os.geteuid() != 0:
        return "only root makes networks"
    missing = [name for name in ("ip", "unshare", "nsenter", "setpriv", "mount") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    made = subprocess.run([*_UNSHARED, "true"], capture_output=True, check=False)
    return None if made.returncode == 0 else "namespaces are not allowed here"


_UNSHARED = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child")


def in_a_world_of_its_own(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module where it may make machines; whatever it starts ends with it."""
    return [*_UNSHARED, "--mount-proc", sys.executable, "-m", module, *arguments]


def _call(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


@dataclass
class Network:
    """A bridge between machines, which know each other by name."""

    folder: Path
    machines: dict[str, "Machine"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the bridge; this process is on it, too."""
        _call("mount", "-t", "tmpfs", "tmpfs", self.folder)
        _call("ip", "link", "set", "lo", "up")
        _call("ip", "link", "add", "name", BRIDGE, "type", "bridge")
        _call("ip", "address", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        _call("ip", "link", "set", BRIDGE, "up")

    def add(self, name: str, hostname: str) -> "Machine":
        """Make a machine that the others find by its host name."""
        machine = Machine(name, f"{SUBNET}.{len(self.machines) + 2}", self.folder / name)
        machine.start(len(self.machines))
        self.machines[name] = machine
        known = self.folder / "hosts"
        with known.open("a") as hosts:
            hosts.write(f"127.0.0.1 localhost\n{machine.address} {hostname}\n")
        for other in self.machines.values():
            shutil.copy(known, other.root / "etc" / "hosts")
        return machine


@dataclass
class Machine:
    """A network and a file system, layered over this machine's own: what it writes nobody else sees."""

    name: str
    address: str
    folder: Path

    @property
    def root(self) -> Path:
        """Where its file system is."""
        return self.folder / "root"

    def start(self, number: int) -> None:
        """Mount its files and join it to the bridge."""
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        _call("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        for name in OWN_FILES:
            _call("mount", "--rbind", f"/{name}", self.root / name)
        self._holder = subprocess.Popen(["unshare", "--net", "--uts", "sleep", "infinity"])
        self._await_network()
        inside, outside = f"fan{number}i", f"fan{number}o"
        _call("ip", "link", "add", "name", outside, "type", "veth", "peer", "name", inside)
        _call("ip", "link", "set", outside, "master", BRIDGE, "up")
        _call("ip", "link", "set", inside, "netns", str(self._holder.pid))
        for words in (
            ("hostname", self.name),
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{self.address}/24", "dev", inside),
            ("ip", "link", "set", inside, "up"),
            ("ip", "route", "add", "default", "via", f"{SUBNET}.1"),
        ):
            _call(*self._entered(), *words)

    def _await_network(self) -> None:
        """Wait until the holder has left this process's network."""
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            os.sched_yield()

    def _entered(self) -> tuple[str, ...]:
        return "nsenter", f"--target={self._holder.pid}", "--net", "--uts"

    def mount(self, source: Path, place: str) -> None:
        """Show a folder or a file of another place at a place of this machine."""
        target = self.root / place.lstrip("/")
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        _call("mount", "--bind", source, target)

    def command(self, words: Sequence[str], folder: str = "/", user: str = "root") -> list[str]:
        """Return what runs a command on this machine."""
        enter = [*self._entered(), f"--root={self.root}", f"--wd={self.root}{folder}"]
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return [*enter, *become, *words]

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: str = "/",
        user: str = "root",
        **options: Any,
    ) -> subprocess.Popen:
        """Start a command on this machine."""
        return subprocess.Popen(self.command(words, folder, user), env=dict(environment), **options)
