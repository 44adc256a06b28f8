"""A marked secret in every setting and variable that may hold one is in nothing that a command leaves."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import mlflow
import pytest

from feature_store.tables.runs import read_last_published
from flows.cli.program import app
from flows.model.champion import register
from flows.model.served_model import registered_deployment
from flows.questions import query
from flows.questions.query import run_query
from flows.settings import SettingsError, read_settings
from flows.stages.publish import report_to_mlflow
from flows.workspace import open_lake, open_workspace
from tests.fan_model.artwork_servers import FAN, ROOT, server_environment
from tests.feature_store.schemas.test_addresses import SECRET, SPELLINGS
from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings
from tests.flows.programs import fan

CLOSED = "127.0.0.1:1"
"""Where nobody listens."""
CATALOGS = [
    f"postgres:dbname=lake host=127.0.0.1 port=1 password='{SECRET}'",
    f"postgres:dbname=lake host=127.0.0.1 port=1 password = {SECRET}",
    f"postgres:dbname=lake host=127.0.0.1 port=1 sslpassword={SECRET}",
    f"postgres:postgresql://ann:{SECRET}@{CLOSED}/lake",
    f"postgres:postgres://ann@{CLOSED}/lake?password={SECRET}",
    f"postgres:dbname=lake password='never closed {SECRET}",
]
OPENING = (
    ["query", "FROM runs"],
    ["explain", "1", "1"],
    ["search", "1", "a western"],
    ["opt-out", "1"],
    ["forget", "1"],
    ["crowd"],
    ["backfill", "no-run"],
    ["maintain"],
    ["doctor"],
    ["draw", "a western", "--user", "1"],
)
"""Commands that open the lake; those of the night and the services have processes of their own below."""


def files_with(folder, text):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes() and path.name != "fan.toml"]


@pytest.mark.parametrize("catalog", CATALOGS)
def test_no_command_repeats_the_password_of_a_catalogue_that_does_not_answer(catalog, tmp_path, caplog):
    settings_file = write_settings(tmp_path, f'catalog = "{catalog}"\n{NIGHT}')
    for arguments in OPENING:
        said = fan(*arguments, "--settings", settings_file)
        assert said.status == 1, arguments
        assert len(said.err.splitlines()) <= 2, said.err
        assert said.err.startswith("fan: "), said.err
        assert SECRET not in said.out + said.err + caplog.text
    assert files_with(tmp_path, SECRET) == []


def test_rows_that_tell_the_catalogues_address_leave_its_password_out(published_file):
    settings = read_settings(published_file)
    asked = f"SELECT '{CATALOGS[3]}' AS address, '{CATALOGS[3].removeprefix('postgres:')}' AS path"
    shown = run_query(settings, asked, "csv")
    assert SECRET in shown
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query, "open_lake", lambda *_, **__: open_lake(settings, read_only=True))
        shown = run_query(settings.model_copy(update={"catalog": CATALOGS[3]}), asked, "csv")
    assert SECRET not in shown
    assert "postgresql://ann@127.0.0.1:1/lake" in shown


def test_settings_that_are_refused_are_told_without_their_secrets(tmp_path, monkeypatch):
    broken = f'catalog = 7\n{NIGHT}[model]\ntracking_uri = "http://ann:{SECRET}@{CLOSED}"\ndevice = 3\n'
    monkeypatch.setenv("FAN_SOURCES", f"[https://ann:{SECRET}@h")
    with pytest.raises(SettingsError, match="is not JSON") as refused:
        read_settings(write_settings(tmp_path, broken))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("catalog", [spelling for spelling in SPELLINGS if spelling.startswith("postgres:")])
def test_what_is_registered_with_a_model_holds_no_password(catalog, settings):
    told = registered_deployment(settings.model_copy(update={"catalog": catalog})).to_config()
    assert told["stored_profiles"]["catalog"].startswith("postgres:")
    assert SECRET not in str(told)


@pytest.mark.whole
def test_a_registered_model_and_a_nights_run_in_mlflow_hold_no_secret(published_file, tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    settings = read_settings(published_file)
    source = settings.sources[0].model_copy(update={"path": f"https://ann:{SECRET}@h/log?sig={SECRET}"})
    secretive = settings.model_copy(update={"catalog": CATALOGS[3], "sources": (source,)})
    register(secretive)
    report_to_mlflow(secretive, open_workspace(secretive), last_night(settings))
    assert files_with(tmp_path, SECRET) == []
    (model,) = tmp_path.rglob("MLmodel")
    assert b"catalog: postgres:postgresql://ann@127.0.0.1:1/lake" in model.read_bytes()
    (logged,) = mlflow.search_runs(experiment_names=["nightly"], output_format="list")
    assert "model.name" in logged.data.params
    assert "model.tracking_uri" not in logged.data.params


def last_night(settings):
    lake = open_lake(settings, read_only=True)
    night = read_last_published(lake)
    lake.close()
    return night


def test_what_a_library_logs_is_masked_also_in_a_traceback(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("SOME_LIBRARYS_TOKEN", SECRET)
    read_settings(write_settings(tmp_path, NIGHT))
    logging.getLogger("a.library").error("connecting to %s failed", f"https://{SECRET}@h")
    try:
        raise RuntimeError(f"no answer from {SECRET}")
    except RuntimeError:
        logging.getLogger("a.library").exception("it failed")
    assert "connecting to https://***@h failed" in caplog.text
    assert "no answer from ***" in caplog.text
    assert SECRET not in caplog.text


@pytest.fixture
def database():
    """A PostgreSQL server of this machine whose user `fan` has the secret as password; its port."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("PostgreSQL is not installed")
    # It refuses to run as root, and its user must reach the folder.
    owner = {"user": "postgres"} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="fan-postgres-"))
    (folder / "password").write_text(SECRET)
    folder.chmod(0o777)
    port = 54321 + os.getpid() % 1000
    own = ["--username=fan", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
    control = ["pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options]
    subprocess.run(["initdb", "-D", folder / "data", *own], check=True, stdout=subprocess.DEVNULL, **owner)
    subprocess.run([*control, "start"], check=True, stdout=subprocess.DEVNULL, **owner)
    yield port
    subprocess.run([*control, "stop"], check=True, stdout=subprocess.DEVNULL, **owner)
    shutil.rmtree(folder)


EVERY_COMMAND = (
    ["nightly"],
    ["ingest"],
    ["embed", "--rebuild"],
    ["profile"],
    ["generate"],
    ["publish"],
    ["register"],
    *OPENING[:3],
    *OPENING[5:6],
    *OPENING[7:],
    ["evaluate", "--variant", "bm25"],
    ["opt-out", "2"],
    ["forget", "1"],
    ["serve", "--port", "0"],
    ["schedule"],
    ["backfill", "no-run"],
)


@pytest.mark.slow
@pytest.mark.parametrize("answers", [True, False], ids=["that answers", "that does not"])
def test_no_command_leaves_a_secret_anywhere(answers, request, tiny_pipeline, tmp_path):
    named = {one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands}
    assert named <= {arguments[0] for arguments in EVERY_COMMAND}
    write_movielens(tmp_path / "logs", sample_ratings())
    port = request.getfixturevalue("database") if answers else 1
    catalog = f"postgres:postgresql://fan:{SECRET}@127.0.0.1:{port}/postgres"
    settings_file = write_settings(tmp_path, f'catalog = "{catalog}"\n{NIGHT}')
    planted = {name: SECRET for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PREFECT_API_KEY")}
    planted |= {"MLFLOW_TRACKING_PASSWORD": SECRET, "FAN_MODEL__PIPELINE": str(tiny_pipeline)}
    planted |= {"PREFECT_API_AUTH_STRING": f"ann:{SECRET}", "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    for arguments in EVERY_COMMAND:
        said = run_for_a_while([*arguments, "--settings", str(settings_file)], planted, tmp_path)
        assert SECRET not in said, arguments
        assert "Traceback" not in said, said
        assert files_with(tmp_path, SECRET) == [], arguments


def run_for_a_while(arguments, variables, folder):
    """Run a command in a process of its own, ending one that serves; return all that it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAN, *arguments],
        env={**server_environment(), **variables, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        return process.communicate(timeout=45 if arguments[0] in ("serve", "schedule") else 600)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate(timeout=60)[0]
