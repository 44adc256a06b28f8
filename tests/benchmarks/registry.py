"""How a benchmark is written: one function per name, in any `bench_*.py` of this folder.

    @benchmark("encode_warm_10", plain="2 + R sequences per target", ours="recorded references")
    def encode_warm_10() -> Measurement: ...

The runner gives each its own process, so that one's memory and threads cannot touch another's.
"""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

PASSES = 5


@dataclass(frozen=True)
class Measurement:
    """What one benchmark found; `plain` and `ours` are in `unit`, the smaller the better."""

    plain: float
    ours: float
    unit: str
    peak_mib: float
    """Peak resident memory of our way, beyond what the process took before it began."""
    remark: str = ""

    @property
    def ratio(self) -> float:
        """How many times better ours is."""
        return self.plain / self.ours


@dataclass(frozen=True)
class Benchmark:
    name: str
    plain: str
    ours: str
    run: Callable[[], Measurement]


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str, *, plain: str, ours: str):
    """Register the function under `name`; `plain` and `ours` say in a few words what is compared."""

    def register(run: Callable[[], Measurement]) -> Callable[[], Measurement]:
        BENCHMARKS[name] = Benchmark(name, plain, ours, run)
        return run

    return register


def seconds(work: Callable[[], object], *, passes: int = PASSES) -> float:
    """Median wall time of `work` over a few passes."""
    times = []
    for _ in range(passes):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of `work` in all threads: on a busy machine it says more than wall time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def alternate(
    plain: Callable[[], object], ours: Callable[[], object], *, passes: int = PASSES
) -> tuple[float, float]:
    """Least seconds of both ways, measured by turns so that a busy machine is busy for both."""
    both = [(seconds(plain, passes=1), seconds(ours, passes=1)) for _ in range(passes)]
    plain_times, our_times = zip(*both, strict=True)
    return min(plain_times), min(our_times)


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
