"""Serving many callers: what one of them can take from the others."""

import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.benchmarks.registry import Measurement, benchmark
from tests.fan_model.artwork_servers import Server, fan_serve

CALLER = "X-Caller"
HOSTILE_THREADS = 16
HOSTILE_ROWS = 4
NUM_HONEST = 40
MOST_TIMES = 3
"""How many times its wait alone an honest caller may wait beside a hostile one."""
PATIENCE_SECONDS = 120.0
NUMBERS = count(1)
REFERENCES = [f"film noir poster of {1930 + number}" for number in range(20)]
MOST_REFERENCES = 1000
DEAREST = {"num_inference_steps": 200, "num_references": MOST_REFERENCES, "height": 256, "width": 256}
"""How the bundled model draws a picture that takes longest."""
Body = Mapping[str, object]


def _usual(num_rows: int) -> Body:
    """Pictures that nobody has asked for."""
    rows = [
        {"prompt": f"western {next(NUMBERS)}", "references": REFERENCES, "seed": next(NUMBERS)}
        for _ in range(num_rows)
    ]
    return {"rows": rows}


def _dearest() -> Body:
    """One picture at the limits, of references that nobody has named."""
    number = next(NUMBERS)
    references = [f"poster {number} of {reference}" for reference in range(MOST_REFERENCES)]
    row = {"prompt": f"western {number}", "references": references, "seed": number}
    return {"rows": [row], "options": DEAREST}


def _ask(server: Server, caller: str, body: Body) -> tuple[int, float]:
    """Ask for pictures; return the status, and when to come back."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    headers = {"Content-Type": "application/json", CALLER: caller}
    try:
        connection.request("POST", "/artworks", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, float(answer.headers.get("Retry-After", 0))
    finally:
        connection.close()


def _wait_for_picture(server: Server) -> float:
    """Ask as an honest caller does, again if told to; return the seconds until there was a picture."""
    started = time.perf_counter()
    while time.perf_counter() - started < PATIENCE_SECONDS:
        status, wait = _ask(server, "honest", _usual(1))
        if status == 200:
            break
        time.sleep(wait)
    return time.perf_counter() - started


@contextmanager
def _hostile_caller(server: Server, wanted: Callable[[], Body]) -> Iterator[None]:
    """Ask for pictures without a pause, whatever is answered, until the block ends."""
    ended, statuses = threading.Event(), set[int]()

    def ask() -> None:
        while not ended.is_set():
            statuses.add(_ask(server, "hostile", wanted())[0])

    threads = [threading.Thread(target=ask) for _ in range(HOSTILE_THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(5)
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not statuses & {400, 422}, "what is refused at once holds nobody up"


def _p95(server: Server) -> float:
    waits = [_wait_for_picture(server) for _ in range(NUM_HONEST)]
    return statistics.quantiles(waits, n=20)[-1]


def _measure(wanted: Callable[[], Body], **environment: str) -> tuple[float, float, float]:
    """Return p95 alone, p95 beside a hostile caller, and MiB that the server grew by meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        settings_file = Path(folder) / "fan.toml"
        settings_file.write_text('[[sources]]\nadapter = "movielens"\npath = "logs"\n')
        with fan_serve(settings_file, Path(folder) / "server.log", **environment) as server:
            _wait_for_picture(server)
            alone, before = _p95(server), server.memory_mib()
            with _hostile_caller(server, wanted):
                beside = _p95(server)
            return alone, beside, server.memory_mib() - before


@benchmark("serve_fairness", plain="three times p95 alone", ours="p95 beside a hostile caller")
def serve_fairness() -> Measurement:
    """An honest caller's wait beside one that asks for 64 pictures at any moment, 20 references each."""
    return _fairness(lambda: _usual(HOSTILE_ROWS))


@benchmark("serve_fairness_dear", plain="three times p95 alone", ours="p95 beside a dear caller")
def serve_fairness_dear() -> Measurement:
    """The same beside one that asks for 16 at any moment, each at the limits: 200 steps, 1,000 references."""
    return _fairness(_dearest)


def _fairness(wanted: Callable[[], Body]) -> Measurement:
    alone, beside, grown = _measure(wanted, FAN_SERVING__CALLER_HEADER=CALLER)
    remark = f"{beside / alone:.1f} times its p95 alone, {alone:.2f} s"
    return Measurement(MOST_TIMES * alone, beside, "s", grown, remark)
