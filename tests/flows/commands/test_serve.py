"""`fan serve` in a process of its own: settings hold, and it stops in good order."""

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from starlette.testclient import TestClient

from flows.commands.serve import load_application
from flows.settings import read_settings
from tests.fan_model.artwork_servers import FAN, fan_serve, server_environment
from tests.flows.nights import CONTRASTED, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

ROW = {"prompt": "a quiet harbour", "references": ["sea"]}


def test_the_settings_of_the_day_hold_and_a_stopped_server_answers_what_it_has_taken(settings_file, tmp_path):
    changed = {"FAN_SERVING__LIMITS__MAX_ROWS": "2", "FAN_DRAWING__NUM_INFERENCE_STEPS": "1"}
    with fan_serve(settings_file, tmp_path / "server.log", **changed) as server, ThreadPoolExecutor() as pool:
        refusal = server.post({"rows": [ROW] * 3}, path="/artworks")
        assert refusal.json()["message"] == "rows must have 1 to 2 rows"
        assert server.draw(ROW) == server.draw(ROW, num_inference_steps=1)
        asked = pool.submit(server.draw, ROW, num_inference_steps=25)
        while b"fan_queue_pictures 1.0" not in server.ask("/metrics").body:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert asked.result()[0]["image"]
        server.process.wait(60)
    log = (tmp_path / "server.log").read_text()
    assert "Finished server process" in log
    assert "Traceback" not in log


def test_an_idle_service_sleeps_and_its_answers_bear_the_date(settings_file, tmp_path):
    with fan_serve(settings_file, tmp_path / "server.log") as server:
        answered = parsedate_to_datetime(server.ask("/health").headers["date"])
        assert abs(datetime.now(UTC) - answered) < timedelta(minutes=1)
        time.sleep(0.5)
        before = server.wakings()
        time.sleep(2)
        # A server that looks about itself wakes twenty times.
        assert server.wakings() - before < 5


def test_a_port_that_is_taken_is_said_so(settings_file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = subprocess.run(
            [sys.executable, "-c", FAN, "serve", "--settings", str(settings_file), "--port", port],
            env=server_environment(),
            capture_output=True,
            text=True,
        )
    assert refused.returncode == 1
    assert refused.stderr == (
        f"fan: cannot listen at 127.0.0.1:{port} (Address already in use): choose another --host or --port\n"
    )


def test_a_service_contrasts_with_the_crowd_of_the_nights(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    settings_file = write_settings(tmp_path, CONTRASTED)
    run(settings_file)
    settings = read_settings(settings_file)
    sql = (
        "SELECT user_id, target_text, seed, artwork_digest FROM artworks JOIN items USING (item_id) "
        "WHERE num_references > 0 ORDER BY ALL LIMIT 1"
    )
    ((user, text, seed, digest),) = ask(settings_file, sql)
    with TestClient(load_application(settings)) as client:
        row = {"prompt": text, "user_id": user, "seed": seed}
        answer = client.post("/artworks", json={"rows": [row]})
        plainly = client.post("/artworks", json={"rows": [row], "options": {"contrast": 0.0}})
    assert answer.json()["artworks"][0]["artwork_digest"] == digest
    assert plainly.json()["artworks"][0]["artwork_digest"] != digest
