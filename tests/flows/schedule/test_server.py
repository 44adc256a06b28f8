"""Prefect's server ends with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
START_AND_WAIT = {
    "temporary": """
import time
from prefect.server.api.server import SubprocessASGIServer
from flows.schedule.server import start_temporary_server
start_temporary_server()
print(SubprocessASGIServer().server_process.pid, flush=True)
time.sleep(600)
""",
    "by the clock": """
import time
from pathlib import Path
from flows.schedule import server
with server.use_server():
    children = Path("/proc/self/task").glob("*/children")
    pids = " ".join(file.read_text() for file in children).split()
    (found,) = [pid for pid in pids if b"prefect" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    print(found, flush=True)
    time.sleep(600)
""",
}


@pytest.mark.parametrize("kind", START_AND_WAIT)
def test_a_killed_night_leaves_no_server_behind(kind, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    process = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT[kind]],
        stdout=subprocess.PIPE,
        env=environment | {"PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    server = int(process.stdout.readline())
    assert is_running(server)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 60
    while is_running(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(server)


def test_a_server_stopped_while_its_database_is_made_does_not_stop_the_next(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    environment |= {"PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-c",
        "from flows.schedule.server import start_temporary_server as s; s(); print('up')",
    ]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    while not (unfinished := list(tmp_path.glob(".prefect.db.*.tmp"))):
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert not (tmp_path / "prefect.db").exists()
    assert unfinished
    second = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert second.stdout.split() == ["up"], second.stderr


def is_running(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
