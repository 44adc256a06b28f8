"""Serving the nightly by the clock: a server of its own that keeps the time."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from flows.environment import DEFAULTS
from flows.schedule.clock import CronError, serve_nightly
from flows.schedule.nightly import nightly

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[3]
SCHEDULE_AND_WAIT = """
import time
import httpx
from prefect.client.orchestration import get_client
from flows.schedule.clock import CronError, serve_nightly
from flows.schedule.nightly import nightly
from flows.schedule.server import use_server

with use_server() as url:
    deployment = nightly.to_deployment(name="test", cron="0 3 * * *")
    deployment.apply()
    with get_client(sync_client=True) as client:
        for _ in range(120):
            if runs := client.read_flow_runs():
                break
            time.sleep(0.5)
    print(len(runs), sorted(run.expected_start_time for run in runs)[0].strftime("%H:%M"), url)
try:
    httpx.get(url + "/health")
except httpx.ConnectError:
    print("gone")
"""


def test_the_deployment_runs_the_nightly_in_the_command_lines_environment():
    (deployment,) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    environment = deployment["work_pool"]["job_variables"]["env"]
    assert deployment["entrypoint"] == f"{nightly.fn.__module__}.{nightly.fn.__name__}"
    assert set(deployment["parameters"]) <= set(nightly.parameters.properties)
    assert environment.items() <= DEFAULTS.items()


@pytest.fixture
def home(prefect_database, tmp_path):
    """A home of Prefect's with a database whose tables are made: of the tests' server, copied."""
    with (
        closing(sqlite3.connect(prefect_database)) as made,
        closing(sqlite3.connect(tmp_path / "prefect.db")) as copy,
    ):
        made.backup(copy)
    return tmp_path


def test_a_server_is_started_where_none_is_configured_schedules_the_nightly_and_ends(home):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    done = subprocess.run(
        [sys.executable, "-c", SCHEDULE_AND_WAIT],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment | {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    count, start, url, afterwards = done.stdout.split()[-4:]
    assert int(count) >= 1
    assert start == "03:00"
    assert url.startswith("http://127.0.0.1:")
    assert afterwards == "gone"


@pytest.mark.parametrize("cron", ["every day", "0 3 * *", "61 3 * * *", ""])
def test_times_that_cannot_be_read_are_refused_before_a_server_is_started(cron):
    with pytest.raises(CronError, match="is no cron expression: write minute, hour, day, month and weekday"):
        serve_nightly(cron, None)
