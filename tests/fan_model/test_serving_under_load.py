"""The service under abuse and under load; minutes, so not part of the quick suite."""

import random
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fan_model.artwork_servers import fan_serve
from tests.fan_model.bad_requests import GOOD_ROW, LANGUAGES, bad_bodies

pytestmark = pytest.mark.slow

NUM_BAD_REQUESTS = 2_000
NUM_CLIENTS = 50
SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The bundled model, served."""
    folder = tmp_path_factory.mktemp("bundled")
    (folder / "fan.toml").write_text('[[sources]]\nadapter = "movielens"\npath = "logs"\n')
    with fan_serve(folder / "fan.toml", folder / "server.log") as server:
        yield server


def test_bad_requests_are_refused_and_leave_no_trace_in_memory(server):
    server.draw(GOOD_ROW)

    def abuse(count):
        settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
            given(st.sampled_from(list(LANGUAGES)).flatmap(addressed))(refuse)
        )()

    def refuse(addressed_body):
        path, body = addressed_body
        answer = server.post(body, path=path)
        assert 400 <= answer.status < 500, body
        message = answer.json()["message"]
        assert "\n" not in message
        assert "Traceback" not in message

    def addressed(path):
        return st.tuples(st.just(path), bad_bodies(path))

    abuse(NUM_BAD_REQUESTS // 10)
    before = server.memory_mib()
    abuse(NUM_BAD_REQUESTS)
    after = server.memory_mib()
    print(f"\nmemory after {NUM_BAD_REQUESTS} bad requests: {before:.0f} -> {after:.0f} MiB")
    assert after - before < 32
    assert server.draw(GOOD_ROW)[0]["image"]


def test_fifty_clients_for_a_minute_get_pictures_or_are_told_to_come_back(server):
    answers, seconds, memory = [], [], [server.memory_mib()]
    end = time.monotonic() + SECONDS

    def ask(number):
        generator = random.Random(number)
        while time.monotonic() < end:
            row = {**GOOD_ROW, "references": generator.sample(TASTES, 2), "seed": generator.randrange(1000)}
            started = time.monotonic()
            answers.append(server.post({"rows": [row]}, path="/artworks").status)
            seconds.append(time.monotonic() - started)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(NUM_CLIENTS)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        time.sleep(5)
        memory.append(server.memory_mib())
    _report(answers, seconds, memory)
    assert set(answers) <= {200, 429, 503}
    assert 200 in answers
    assert memory[-1] < 1.25 * max(memory[: len(memory) // 2])


TASTES = [
    f"{genre} film poster, {style}, {year}"
    for genre in ("romance", "horror", "western", "comedy")
    for style in ("pastel", "neon", "watercolor", "line drawing")
    for year in range(1950, 2020, 10)
]


def _report(answers, seconds, memory):
    waits = sorted(wait for wait, status in zip(seconds, answers, strict=True) if status == 200)
    print(
        f"\n{len(waits)} pictures, {answers.count(429)} refused with 429, {answers.count(503)} with 503; "
        f"latency p50 {waits[len(waits) // 2]:.1f} s, p95 {waits[int(0.95 * len(waits))]:.1f} s; "
        f"{len(waits) / (SECONDS + waits[-1]):.2f} pictures per second; "
        f"memory {memory[0]:.0f} -> {memory[-1]:.0f} MiB"
    )
