"""The night as Prefect runs it: the same night, shown without a word about users."""

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.night_lock import NightInProgressError, hold_night
from flows.schedule.nightly import nightly, run_locally
from flows.schedule.prefect_tasks import StoppedError
from flows.settings import read_settings
from flows.workspace import open_lake

pytestmark = pytest.mark.whole

NOBODY_LISTENS = "http://127.0.0.1:9/api"


def count_pictures(settings):
    lake = open_lake(settings, read_only=True)
    try:
        return lake.query("SELECT count(*) AS n FROM artworks")["n"][0].as_py()
    finally:
        lake.close()


def test_prefect_shows_the_night_its_counts_and_the_way_to_the_gallery(prefect_server, settings_file):
    night = nightly(str(settings_file))
    assert night.status == "published"
    assert night.counts["profile"]["targets_profiled"] == night.counts["generate"]["generated"] == 4
    assert count_pictures(read_settings(settings_file)) == 4
    with get_client(sync_client=True) as client:
        (run,) = [
            run
            for run in client.read_flow_runs()
            if run.parameters.get("settings_file") == str(settings_file)
        ]
        shown = [one for one in client.read_artifacts() if one.flow_run_id == run.id]
    assert run.state.is_completed()
    assert {one.key for one in shown} == {"nightly-counts", "gallery"}
    assert night.run_id in " ".join(str(one.description) for one in shown)


def test_prefect_is_told_the_kind_of_an_error_and_whoever_ran_the_night_all_of_it(
    prefect_server, settings_file, settings
):
    with hold_night(settings):
        with pytest.raises(StoppedError, match="^NightInProgressError$"):
            nightly(str(settings_file), ("ingest",))
        with pytest.raises(NightInProgressError, match="another night is running on"):
            run_locally(settings_file, ("ingest",))


def test_a_night_whose_server_does_not_answer_goes_on_without_it(settings_file, capsys):
    with temporary_settings({PREFECT_API_URL: NOBODY_LISTENS}):
        night = run_locally(settings_file, ("ingest",))
    assert night.counts["ingest"]["files"] == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("fan: ")] == [
        f"fan: Prefect's server at {NOBODY_LISTENS} does not answer: start it, or name another in "
        "PREFECT_API_URL. This goes on without Prefect"
    ]


def test_where_nobody_waits_for_a_night_its_error_is_in_the_log_of_its_process(
    prefect_server, settings_file, settings, monkeypatch, caplog
):
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "by-the-clock")
    with hold_night(settings), pytest.raises(StoppedError, match="^NightInProgressError$"):
        nightly(str(settings_file), ("ingest",))
    assert "another night is running on" in caplog.text
