"""`python -m tests.benchmarks [NAME ...]`: run benchmarks, print a table, keep it in results.json.

With names, only those are run; results of the others are kept as they were. `gpu` is all that needs a GPU;
it is left out where nothing is named.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.registry import BENCHMARKS

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
GPU = "gpu_"
"""How names of benchmarks begin that need a GPU."""

# Two threads that wait for each other by spinning briefly: small products would otherwise pay for waking up.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "2",
    "GOMP_SPINCOUNT": "10000",
    "OPENBLAS_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}


def main() -> None:
    for file in sorted(FOLDER.glob("bench_*.py")):
        importlib.import_module(f"tests.benchmarks.{file.stem}")
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    on_gpu = [name for name in BENCHMARKS if name.startswith(GPU)]
    names = arguments.names or [name for name in BENCHMARKS if name not in on_gpu]
    names = [each for name in names for each in (on_gpu if name == GPU.strip("_") else [name])]
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(BENCHMARKS)}")
    if arguments.in_this_process:
        (name,) = names
        print(json.dumps(measure(name)))
    else:
        for name in names:
            results = load_results() | {name: run_apart(name)}
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        Console(width=160).print(table_of(results))


def load_results() -> dict[str, dict]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def run_apart(name: str) -> dict:
    """Run one benchmark in a process of its own."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.benchmarks", "--in-this-process", name]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | ENVIRONMENT
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str) -> dict:
    load_before = os.getloadavg()[0]
    measurement = BENCHMARKS[name].run()
    return {
        "plain_way": BENCHMARKS[name].plain,
        "our_way": BENCHMARKS[name].ours,
        **asdict(measurement),
        "ratio": measurement.ratio,
        "load_before": load_before,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": version("torch"),
    }


def table_of(results: dict[str, dict]) -> Table:
    table = Table("name", "plain way", "plain", "ours", "ratio", "peak MiB", "remark")
    for name, result in results.items():
        unit = result["unit"]
        table.add_row(
            name,
            result["plain_way"],
            f"{result['plain']:.4g} {unit}",
            f"{result['ours']:.4g} {unit}",
            f"{result['ratio']:.1f}",
            f"{result['peak_mib']:.0f}",
            result["remark"],
        )
    return table


if __name__ == "__main__":
    main()
