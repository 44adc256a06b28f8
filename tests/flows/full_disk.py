"""A command where the disk is full: in a process with a small disk of its own, which nobody else sees.

Run as `unshare --map-root-user --mount python -m tests.flows.full_disk PLACE PRISTINE ROOM COMMAND...`.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from flows.commands.doctor import examine
from flows.settings import read_settings
from tests.flows.programs import fan

SPARE = 64 * 2**20
"""Bytes that a command may need of a disk that is not full."""


def mount(place: Path, pristine: Path) -> None:
    """Put a disk with a copy of a folder in its place."""
    size = sum(file.stat().st_size + 4096 for file in pristine.rglob("*")) + SPARE
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    shutil.copytree(pristine, place, dirs_exist_ok=True)


def fill(place: Path, room: int) -> Path:
    """Write a file that leaves so many bytes, and return it."""
    filler = place / "filler"
    size = shutil.disk_usage(place).free - room
    with filler.open("wb") as file:
        for _ in range(size // 4096):
            file.write(b"\1" * 4096)
    return filler


def main(place: Path, pristine: Path, room: int, *arguments: str) -> dict[str, object]:
    """Run a command on a full disk, and once more with room."""
    mount(place, pristine)
    filler = fill(place, room)
    full = fan(*arguments)
    filler.unlink()
    # A command that found room enough has done its work, and says so when it is asked again.
    after = fan(*arguments) if full.status else full
    checks = examine(read_settings(place / "fan.toml"), is_deep=True)
    broken = [check.promise for check in checks if check.num_offenders and check.is_broken]
    return {"full": asdict(full), "after": asdict(after), "broken": broken}


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
    print("\n" + json.dumps(found))
