"""An evaluation on a small log, with real parts: DuckDB, MLflow, Prefect, the bundled model and its judge."""

import shutil

import mlflow
import pytest
import torch

import fan_model
from evaluation.judge import ClipJudge
from evaluation.measures import MEASURES, P_VALUES
from flows.champion import configure_mlflow
from flows.evaluate import evaluate, open_study, summarize_evaluation, take_in_data
from flows.evaluate_drawing import picture_path, plan
from flows.evaluate_report import EVALUATION_EXPERIMENT
from flows.evaluate_variants import make_variants
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.usefixtures("prefect_server")

SMALL = """
[evaluation]
max_users = 4
min_history = 5
sheet_users = 2
variants = ["bm25", "history of another user"]
"""
VARIANTS = {"plain", "full", "bm25", "history of another user", "one picture for all"}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, registry, prefect_server):
    """Settings whose workspace holds an evaluation, and what that one returned; rows are only ever added."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_movielens(folder / "logs", sample_ratings())
    file = write_settings(folder, NIGHT + SMALL)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FAN_MODEL__TRACKING_URI", registry)
        return file, evaluate(str(file))


def ask(settings_file, sql):
    lake = open_lake(read_settings(settings_file), read_only=True)
    try:
        return [tuple(row.values()) for row in lake.query(sql).to_pylist()]
    finally:
        lake.close()


def numbers(settings_file, result):
    """Every value of an evaluation, by variant, measure and user."""
    sql = (
        f"SELECT variant, measure, user_id, value FROM evaluation_results WHERE run_id = '{result['run_id']}'"
    )
    return {row[:3]: row[3] for row in ask(settings_file, sql)}


def study_of(settings_file):
    settings = read_settings(settings_file)
    return open_study(settings, take_in_data.fn(settings))


def test_there_is_a_row_per_user_variant_and_measure(evaluated):
    file, result = evaluated
    assert (result["users"], result["pictures"]) == (4, 32)
    rows = numbers(file, result)
    of_users = [row for row in rows if row[2] is not None]
    # One picture for all has no personalized text: two measures fewer.
    assert len(of_users) == 4 * (5 * len(MEASURES) - 2)
    assert {variant for variant, *_ in of_users} == VARIANTS
    of_all = {row[:2] for row in rows if row[2] is None}
    assert of_all == {(variant, measure) for variant in VARIANTS for measure in P_VALUES}
    assert ask(
        file,
        "SELECT DISTINCT judge, judge_is_independent, num_pictures FROM evaluation_results "
        f"WHERE user_id IS NOT NULL AND run_id = '{result['run_id']}'",
    ) == [("bundled", False, 2)]
    assert ask(file, "SELECT DISTINCT scale FROM evaluation_results WHERE measure = 'clip_target'") == [
        ("100 * cosine, at least 0",)
    ]


def test_the_page_says_what_was_found_and_that_the_judge_is_partial(evaluated):
    file, result = evaluated
    page = (read_settings(file).workspace / "evaluation" / result["run_id"] / "index.html").read_text()
    assert "is shown" in page or "is not shown" in page
    assert "has the same text encoder as the image model" in page
    assert page.count("data:image/png;base64,") == 4
    assert all(variant in page for variant in VARIANTS)
    summary = summarize_evaluation(result)
    assert result["run_id"] in summary
    assert "index.html" in summary


def test_the_run_is_in_mlflow_with_its_figures(evaluated):
    file, result = evaluated
    configure_mlflow(read_settings(file), EVALUATION_EXPERIMENT)
    (run,) = mlflow.search_runs(
        experiment_names=[EVALUATION_EXPERIMENT],
        filter_string=f"tags.run_id = '{result['run_id']}'",
        output_format="list",
    )
    assert run.data.params["evaluation.max_users"] == "4"
    assert run.data.metrics["num_users"] == 4
    assert "full/own_minus_other_minus_plain" in run.data.metrics
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"index.html", "results.csv", "alpha_sweep.png", "trade_off.png"} <= names


def test_after_a_stop_only_what_is_missing_is_drawn_and_the_numbers_are_the_same(evaluated):
    file, whole = evaluated
    study = study_of(file)
    variants = {variant.name: plan(study, variant) for variant in make_variants(study.settings)}
    lost = set(variants["bm25"].digests[3:]) | {variants["plain"].digests[0]}
    for digest in lost:
        picture_path(study, digest).unlink()
    resumed = evaluate(str(file))
    assert whole["drawn"] > resumed["drawn"] == len(lost)
    assert numbers(file, resumed) == numbers(file, whole)


def test_a_picture_that_the_model_refuses_is_left_out_of_every_variant(evaluated):
    file, _ = evaluated
    study = study_of(file)
    refused = plan(study, make_variants(study.settings)[1]).digests[0]
    path = picture_path(study, refused)
    kept = path.read_bytes()
    path.write_bytes(b"")
    result = evaluate(str(file))
    path.write_bytes(kept)
    counts = ask(
        file,
        "SELECT variant, sum(num_pictures)::INTEGER FROM evaluation_results "
        f"WHERE run_id = '{result['run_id']}' AND measure = 'clip_target' GROUP BY ALL",
    )
    num_refused = plan(study, make_variants(study.settings)[1]).digests.count(refused)
    assert dict(counts) == dict.fromkeys(VARIANTS, 8 - num_refused)


def test_another_judge_is_named_and_found_to_be_independent(evaluated, tmp_path):
    file, bundled = evaluated
    settings = write_settings(tmp_path, file.read_text() + f'judge = "{another_judge(tmp_path)}"\n')
    settings.write_text(f'workspace = "{file.parent / "workspace"}"\n{settings.read_text()}')
    settings.write_text(settings.read_text().replace('path = "logs"', f'path = "{file.parent / "logs"}"'))
    replaced = evaluate(str(settings))
    assert replaced["drawn"] == 0
    judges = "SELECT DISTINCT judge, judge_is_independent FROM evaluation_results WHERE run_id = "
    assert ask(file, f"{judges}'{replaced['run_id']}'") == [(str(tmp_path / "judge"), True)]
    before, after = numbers(file, bundled), numbers(file, replaced)
    changed = {row[1] for row, value in after.items() if value != before[row]}
    assert {"clip_target", "history_cosine", "own_minus_other", "kernel_distance"} <= changed
    assert not changed & {name for name, measure in MEASURES.items() if not measure.by_judge}


def another_judge(folder):
    """The bundled CLIP with every weight shaken: a CLIP of the same shape that no pipeline draws with."""
    pipeline = fan_model.__path__[0] + "/studio/pipeline"
    model = ClipJudge.from_pretrained(f"{pipeline}/clip").model
    torch.manual_seed(0)
    for weights in model.parameters():
        weights.data += 0.1 * weights.data.norm() / weights.numel() ** 0.5 * torch.randn_like(weights)
    model.save_pretrained(folder / "judge")
    shutil.copytree(f"{pipeline}/tokenizer", folder / "judge", dirs_exist_ok=True)
    return folder / "judge"
