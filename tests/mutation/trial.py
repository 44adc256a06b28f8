"""One trial: the tests of a module in a process of its own, in which the module may be a mutant.

The process is forked from one that has imported the libraries, so that a trial takes little more than its
tests. No file of the checkout is touched.
"""

import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path

import hypothesis
import pytest

OWN = {"docs", "evaluation", "fan_model", "feature_store", "flows", "recsys_adapters", "tests", "__main__"}

ALL_BUT_LONG = "not slow and not crash and not cluster and not gpu"


@dataclass(kw_only=True)
class Trial:
    """What is tried, and where it writes."""

    tests: Sequence[str]
    """Paths of test files."""
    folder: Path
    """Of its own; it does not exist yet."""
    module: Path | None = None
    """The module that is changed, as a path from the root."""
    source: str = ""
    """What it is changed into."""
    durations: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each test without any fault."""
    kills: Mapping[str, int] = field(default_factory=dict)
    """Mutants that each test has noticed; tests that notice most a second come first, then quick ones."""

    @property
    def has_report(self) -> bool:
        """Whether its tests came to an end."""
        return (self.folder / "report.json").exists()


def start(trial: Trial) -> int:
    """Begin a trial in a child of this process; return its process id."""
    trial.folder.mkdir(parents=True)
    # What is here already is never garbage: a child need not look at it, nor have a copy of its own.
    gc.freeze()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setpgrp()
            code = _try(trial)
        finally:
            os._exit(code)
    return child


def stop(child: int) -> None:
    """End a trial that takes too long, and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def read_report(trial: Trial) -> dict[str, object]:
    """What a trial has found: `durations` of its tests, `failed` ones, `libraries` that it imported."""
    return json.loads((trial.folder / "report.json").read_text())


def import_libraries(names: Sequence[str]) -> None:
    """Import what trials will need, in this process; what cannot be imported by itself is left out."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _try(trial: Trial) -> int:
    with (trial.folder / "output.txt").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if trial.module:
        sys.meta_path.insert(0, _Changed(trial.module, trial.source))
    watcher = _Watcher(trial)
    options = ["-x", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider", "-p", "no:warnings"]
    # With those of whole nights, which are left out where everything is run.
    options += ["-m", ALL_BUT_LONG, "--basetemp", str(trial.folder / "temporary")]
    code = int(pytest.main([*options, *trial.tests], plugins=[watcher]))
    libraries = [name for name in sys.modules if name.split(".")[0] not in OWN]
    report = {"durations": watcher.durations, "failed": watcher.failed, "libraries": libraries}
    (trial.folder / "report.json").write_text(json.dumps(report))
    shutil.rmtree(trial.folder / "temporary", ignore_errors=True)
    sys.stdout.flush()
    return code


class _Changed(importlib.abc.MetaPathFinder, SourceFileLoader):
    """Imports one module from a source that lies in no file."""

    def __init__(self, module: Path, source: str) -> None:
        super().__init__(".".join(module.with_suffix("").parts), str(module.resolve()))
        self._source = source

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> object:
        return compile(self._source, self.path, "exec")


class _Watcher:
    """Puts promising tests first, keeps hypothesis from shrinking what fails, and notes what tests do."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.durations: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_sessionstart(self) -> None:
        usual = hypothesis.settings.get_profile("patient")
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("trial", usual, phases=phases, database=None, derandomize=True)
        hypothesis.settings.load_profile("trial")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._promise(item.nodeid))

    def _promise(self, test: str) -> tuple[float, float]:
        seconds = self._trial.durations.get(test, 0.0)
        return -self._trial.kills.get(test, 0) / (seconds + 0.01), seconds

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        began = time.monotonic()
        result = yield
        self.durations[item.nodeid] = time.monotonic() - began
        return result
