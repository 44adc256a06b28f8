"""An evaluation as Prefect runs it."""

import pytest
from prefect.client.orchestration import get_client

from evaluation.protocol.variants import UnknownVariantError
from flows.schedule.evaluation_flow import evaluate_locally, evaluation
from flows.schedule.prefect_tasks import StoppedError
from tests.flows.nights import NIGHT, write_settings

pytestmark = pytest.mark.whole

TINY = """
[evaluation]
max_users = 2
targets_per_user = 1
min_history = 5
sheet_users = 1
variants = ["bm25"]
"""


@pytest.fixture
def settings_file(settings_file):
    return write_settings(settings_file.parent, NIGHT.replace("steps = 2", "steps = 1") + TINY)


def test_prefect_shows_the_way_to_the_report(prefect_server, settings_file):
    result = evaluation(str(settings_file))
    assert (result.num_users, result.num_pictures) == (2, 8)
    with get_client(sync_client=True) as client:
        shown = [artifact.data for artifact in client.read_artifacts() if artifact.key == "evaluation"]
    assert any(result.run_id in link for link in shown)


def test_a_choice_that_cannot_be_stops_it_before_anything_is_started(prefect_server, tmp_path):
    settings_file = write_settings(tmp_path, NIGHT + TINY)
    with pytest.raises(StoppedError, match="^UnknownVariantError$"):
        evaluation(str(settings_file), variants=["bm26"], peers=False)
    with pytest.raises(UnknownVariantError, match="no variant is called bm26"):
        evaluate_locally(settings_file, data=None, alias=None, variants=["bm26"], peers=False)
    assert not (tmp_path / "workspace" / "lake").exists()
