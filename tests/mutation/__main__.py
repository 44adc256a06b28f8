"""`python -m tests.mutation [WORD ...]`: put small faults into modules, and see whether their tests notice.

Each module of `modules.toml` is tried with its own tests only. A mutant that no test notices has survived;
those that nothing can tell from the original are listed, with the reason, in `equivalents.toml`, and are
counted apart. With words, only modules with one of them in their path are tried. Ends with 1 if fewer mutants
than the least share are killed in any module.
"""

import argparse
import os
import sys
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.mutants import Mutant, name_mutants
from tests.mutation.python_mutants import python_mutants
from tests.mutation.sql_mutants import sql_mutants
from tests.mutation.trial import Trial, import_libraries, read_report, start, stop

FOLDER = Path(__file__).parent
LEAST_SHARE = 0.95
PATIENCE = 5.0
"""A mutant that takes so many times as long as the module, and a minute, hangs: it was noticed."""
AT_ONCE = 2
# One trial has one core; set before any library is imported.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass
class Outcome:
    """What became of a module's mutants."""

    killed: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)
    equivalent: list[Mutant] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the mutants that differ from the original, how many were killed."""
        return len(self.killed) / max(1, len(self.killed) + len(self.survived))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of the path of modules to try")
    words = parser.parse_args().words
    modules = tomllib.loads((FOLDER / "modules.toml").read_text())
    equivalents = tomllib.loads((FOLDER / "equivalents.toml").read_text())
    outcomes = {}
    for module, tests in modules.items():
        if not words or any(word in module for word in words):
            with tempfile.TemporaryDirectory(prefix="fan-mutation-") as folder:
                os.environ["EMPTY_LAKE_OF_TESTS"] = f"{folder}/lake"
                outcome = try_module(Path(module), tests, equivalents.get(module, {}), Path(folder))
            outcomes[module] = outcome
            print(line_of(module, outcome), flush=True)
    print("\n".join(summary(outcomes)))
    return int(any(outcome.share < LEAST_SHARE for outcome in outcomes.values()) or not outcomes)


def make_mutants(module: Path) -> list[Mutant]:
    """All mutants of a module, in the order of their lines."""
    source = module.read_text()
    mutants = name_mutants(source, [*python_mutants(source), *sql_mutants(source)])
    return sorted(mutants, key=lambda mutant: mutant.line)


def try_module(module: Path, tests: list[str], equivalents: dict[str, str], folder: Path) -> Outcome:
    """Try all mutants of a module; equivalents are not run."""
    durations = pass_unchanged(tests, folder / "unchanged")
    patience = PATIENCE * sum(durations.values()) + 60
    outcome, waiting = Outcome(), []
    for number, mutant in enumerate(make_mutants(module)):
        if mutant.name in equivalents:
            outcome.equivalent.append(mutant)
        else:
            trial = Trial(tests=tests, folder=folder / str(number), module=module, source=mutant.source)
            trial.durations = durations
            waiting.append((mutant, trial))
    for mutant, code in run_all(waiting, patience):
        (outcome.survived if code == 0 else outcome.killed).append(mutant)
        if code == 0:
            print(f"{module}:{mutant.line}: survived: {mutant.name}", flush=True)
    return outcome


def pass_unchanged(tests: list[str], folder: Path) -> dict[str, float]:
    """Pass the tests without any fault; return the seconds that each takes, and import what they import."""
    trial = Trial(tests=tests, folder=folder)
    _, status = os.waitpid(start(trial), 0)
    if status != 0:
        sys.exit(f"{' '.join(tests)} fail without any fault:\n{(folder / 'output.txt').read_text()}")
    report = read_report(trial)
    import_libraries(report["libraries"])
    return report["durations"]


def run_all(waiting: list[tuple[Mutant, Trial]], patience: float):
    """Run trials side by side; yield each mutant with the status that its process ended with.

    Tests that noticed other mutants of the module come first, since most are noticed by the same few.
    """
    running: dict[int, tuple[Mutant, Trial, float]] = {}
    waiting, kills = waiting[::-1], Counter()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            mutant, trial = waiting.pop()
            trial.kills = kills
            running[start(trial)] = mutant, trial, time.monotonic() + patience
        child, status = os.waitpid(-1, os.WNOHANG)
        if child in running:
            mutant, trial, _ = running.pop(child)
            if status and trial.has_report:
                kills.update(read_report(trial)["failed"])
            yield mutant, status
        elif not child:
            time.sleep(0.05)
            for late in [child for child, (*_, until) in running.items() if time.monotonic() > until]:
                stop(late)


def summary(outcomes: dict[str, Outcome]):
    """A line per module, and one for all."""
    total = Outcome()
    yield f"{'module':46}{'killed':>8}{'survived':>10}{'equivalent':>12}{'share':>8}"
    for module, outcome in outcomes.items():
        yield line_of(module, outcome)
        total.killed += outcome.killed
        total.survived += outcome.survived
        total.equivalent += outcome.equivalent
    yield line_of("all", total)


def line_of(name: str, outcome: Outcome) -> str:
    counts = f"{len(outcome.killed):8}{len(outcome.survived):10}{len(outcome.equivalent):12}"
    return f"{name:46}{counts}{outcome.share:8.1%}"


if __name__ == "__main__":
    sys.exit(main())
