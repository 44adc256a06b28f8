"""Forgetting reaches an MLflow outside the workspace, and refuses whom it does not know."""

import mlflow
import pytest
from mlflow import MlflowClient

from feature_store.tables.suppressions import TABLE
from feature_store.tables.users import find_key
from flows.commands import forget as forget_module
from flows.commands.forget import delete_logged_reports, forget
from flows.model.champion import configure_mlflow
from flows.settings import read_settings
from flows.workspace import EVALUATION_EXPERIMENT, open_lake
from tests.flows.nights import ask
from tests.flows.programs import fan


def log_report(page):
    with mlflow.start_run() as run:
        mlflow.log_text(page, "index.html")
    return run.info.run_id


@pytest.mark.whole
def test_an_evaluation_in_another_mlflow_that_names_the_user_goes_and_the_others_stay(
    published_file, tmp_path, monkeypatch
):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", f"sqlite:///{tmp_path / 'elsewhere' / 'mlflow.db'}")
    (tmp_path / "elsewhere").mkdir()
    settings = read_settings(published_file)
    assert delete_logged_reports(settings, 1) == 0
    lake = open_lake(settings)
    keys = [find_key(lake, user) for user in ("1", "2")]
    lake.close()
    configure_mlflow(settings, EVALUATION_EXPERIMENT)
    naming, other = (log_report(f"<li>User {key}") for key in keys)
    assert forget(settings, "1")["reports"] == 1
    assert MlflowClient().get_run(naming).info.lifecycle_stage == "deleted"
    assert MlflowClient().get_run(other).info.lifecycle_stage == "active"
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert str(keys[0]).encode() not in left
    assert str(keys[1]).encode() in left


@pytest.mark.parametrize("command", ["forget", "opt-out"])
def test_the_empty_and_the_unknown_user_are_refused_and_nothing_is_touched(command, published_file):
    workspace = published_file.parent / "workspace"
    (workspace / "evaluation" / "e1").mkdir(parents=True)
    (workspace / "evaluation" / "e1" / "index.html").write_text("<li>User 1")
    (workspace / "backfills" / "b1").mkdir(parents=True)
    before = sorted(path for path in workspace.rglob("*.html"))
    for stranger in ("", "1 ", "11", "nobody"):
        refused = fan(command, stranger, "--settings", published_file)
        assert refused.status == 1
        assert refused.err.startswith(f"fan: user {stranger} is unknown")
    assert sorted(path for path in workspace.rglob("*.html")) == before
    assert (workspace / "backfills" / "b1").exists()
    assert ask(published_file, f"SELECT count(*) FROM {TABLE}") == [(0,)]


@pytest.mark.whole
def test_forgetting_that_was_stopped_is_finished_when_it_is_asked_for_again(published_file, monkeypatch):
    pictures = published_file.parent / "workspace" / "images"
    before = {path for path in pictures.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(forget_module, "finish_forgetting", stop)
        with pytest.raises(KeyboardInterrupt, match="no room"):
            forget(read_settings(published_file), "1")
    assert before == {path for path in pictures.rglob("*") if path.is_file()}
    again = fan("forget", "1", "--settings", published_file)
    assert (again.status, again.err) == (0, "")
    assert before > {path for path in pictures.rglob("*") if path.is_file()}
    assert fan("forget", "1", "--settings", published_file).status == 0


def stop(*_):
    raise KeyboardInterrupt("no room")


@pytest.mark.whole
def test_forgetting_is_undone_by_name_for_logs_to_come(published_file):
    forget(read_settings(published_file), "1")
    refused = fan("forget", "2", "--undo", "--settings", published_file)
    assert (refused.status, refused.err) == (
        1,
        "fan: user 2 was not forgotten: check the spelling of the id\n",
    )
    assert fan("forget", "1", "--undo", "--settings", published_file).status == 0
    assert ask(published_file, f"SELECT count(*) FROM {TABLE}") == [(0,)]
