"""A night goes on where Prefect's own database is broken, and says what to do."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from flows.settings import read_settings
from flows.workspace import open_lake

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]


def fan(*arguments, home):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        env=environment | {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)},
        timeout=300,
    )


@pytest.fixture
def half_made(tmp_path):
    """A home of Prefect's whose database a kill left among its tables."""
    home = tmp_path / "prefect"
    home.mkdir()
    with closing(sqlite3.connect(home / "prefect.db")) as connection:
        connection.execute("CREATE TABLE flow (id)")
    return home


def test_a_half_made_database_of_prefect_does_not_stop_the_night(half_made, settings_file):
    done = fan("ingest", "--settings", str(settings_file), home=half_made)
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("fan: ")]
    assert f"delete {half_made / 'prefect.db'} or run `prefect server database reset -y`" in said
    lake = open_lake(read_settings(settings_file), read_only=True)
    assert lake.query("SELECT count(*) AS n FROM interactions")["n"][0].as_py() == 60
    lake.close()
    (half_made / "prefect.db").unlink()
    again = fan("ingest", "--settings", str(settings_file), home=half_made)
    assert again.returncode == 0
    assert "fan: " not in again.stderr


def test_the_clock_says_so_and_stops(half_made, settings_file):
    done = fan("schedule", "--settings", str(settings_file), home=half_made)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("fan: Prefect's server did not start")


def test_the_server_of_a_night_that_was_killed_ends_too(tmp_path):
    night = (
        "import time\nfrom flows.schedule.server import use_server\n"
        "with use_server() as url:\n    print(url, flush=True)\n    time.sleep(600)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    environment |= {"PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", night], stdout=subprocess.PIPE, text=True, env=environment
    )
    health = process.stdout.readline().strip() + "/health"
    assert httpx.get(health).is_success
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while answers(health) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not answers(health)


def answers(url):
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
