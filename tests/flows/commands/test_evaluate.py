"""An evaluation on a small log, with real parts: DuckDB, MLflow, the bundled model and its judge."""

import html
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import mlflow
import pytest
import torch
from PIL import Image

from evaluation.measures.identification import chance_reciprocal_rank
from evaluation.measures.judge import ClipJudge
from evaluation.measures.picture_measures import MEASURES, P_VALUES
from evaluation.protocol.measuring import MODEL_ITSELF, NothingToMeasureError, measure
from evaluation.protocol.plan import plan_variant
from evaluation.report.plots import GAP
from fan_model.bundled import JUDGE_FOLDER
from fan_model.retrieval.clip import ClipError
from flows.commands.evaluate import (
    evaluate,
    load_judge,
    open_pictures,
    open_study,
    summarize_evaluation,
    take_in_data,
)
from flows.commands.evaluation_choice import make_variants
from flows.model.champion import UnknownModelError, configure_mlflow
from flows.settings import read_settings
from flows.workspace import EVALUATION_EXPERIMENT, Workspace
from tests.flows.nights import NIGHT, ask, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

SMALL = """
[evaluation]
max_users = 4
min_history = 5
sheet_users = 2
variants = ["bm25"]
"""
EVALUATE = """
import sys
from pathlib import Path
from flows.commands.evaluate import evaluate
from flows.settings import read_settings
evaluate(read_settings(Path(sys.argv[1])))
"""
VARIANTS = {"plain", "full", "bm25", "history of another user", "one picture for all"}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Settings whose workspace holds an evaluation, and what that one returned; rows are only ever added."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_movielens(folder / "logs", sample_ratings())
    file = write_settings(folder, NIGHT + SMALL)
    return file, evaluate(read_settings(file))


def test_a_judge_that_is_not_there_is_told_before_anything_is_drawn(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    file = write_settings(tmp_path, NIGHT + SMALL + 'judge = "/nowhere/clip"\n')
    with pytest.raises(ClipError, match="/nowhere/clip is no CLIP that can be read here"):
        evaluate(read_settings(file))
    assert not Workspace(read_settings(file).workspace).evaluation_pictures.exists()


def numbers(settings_file, result):
    """Every value of an evaluation, by variant, measure and user."""
    columns = "variant, measure, user_id, value"
    sql = f"SELECT {columns} FROM evaluation_results WHERE run_id = '{result.run_id}'"
    return {row[:3]: row[3] for row in ask(settings_file, sql)}


def opened(settings_file):
    """The settings of an evaluation, what all its variants share, and its pictures."""
    settings = read_settings(settings_file)
    return settings, open_study(settings, take_in_data(settings)), open_pictures(settings)


def test_there_is_a_row_per_user_variant_and_measure(evaluated):
    file, result = evaluated
    assert (result.num_users, result.num_pictures) == (4, 32)
    rows = numbers(file, result)
    of_users = [row for row in rows if row[2] is not None]
    # One picture for all has no personalized text: two measures fewer.
    assert len(of_users) == 4 * (5 * len(MEASURES) - 2)
    assert {variant for variant, *_ in of_users} == VARIANTS
    of_all = {row[:2] for row in rows if row[2] is None}
    assert of_all == {(variant, measure) for variant in VARIANTS for measure in P_VALUES}
    assert ask(
        file,
        "SELECT DISTINCT data_set, judge, num_pictures, measure LIKE 'text_%' FROM evaluation_results "
        f"WHERE user_key IS NOT NULL AND run_id = '{result.run_id}' ORDER BY judge",
    ) == [("workspace", "bundled", 2, False), ("workspace", MODEL_ITSELF, 2, True)]
    assert ask(file, "SELECT DISTINCT scale FROM evaluation_results WHERE measure = 'clip_target'") == [
        ("100 * cosine, at least 0",)
    ]


def test_the_page_says_what_was_found_and_whether_the_judge_is_partial(evaluated):
    file, result = evaluated
    folder = read_settings(file).workspace / "evaluation" / result.run_id
    page = (folder / "index.html").read_text()
    assert result.verdict in html.unescape(page)
    ((independent,),) = ask(
        file,
        "SELECT DISTINCT judge_is_independent FROM evaluation_results WHERE judge = 'bundled' "
        f"AND run_id = '{result.run_id}'",
    )
    assert ("has the same text encoder as the image" in page) is not independent
    assert page.count("data:image/png;base64,") == 4
    assert all(variant in page for variant in VARIANTS)
    of_the_crowd = ("own_minus_other_centred", "change_reciprocal_rank")
    assert all(f"<th>{measure}</th>" in page for measure in of_the_crowd)
    assert (folder / "table.md").read_text() in summarize_evaluation(result)
    assert "These users tell an own minus other of" in page


def test_the_sheet_shows_every_variant_that_was_asked_for(evaluated):
    file, result = evaluated
    sheet = read_settings(file).workspace / "evaluation" / result.run_id / "sheet_variants.png"
    shown = VARIANTS - {"one picture for all"}
    with Image.open(sheet) as picture:
        assert picture.width == len(shown) * (128 + GAP)


def test_the_run_is_in_mlflow_with_its_figures(evaluated):
    file, result = evaluated
    configure_mlflow(read_settings(file), EVALUATION_EXPERIMENT)
    (run,) = mlflow.search_runs(
        experiment_names=[EVALUATION_EXPERIMENT],
        filter_string=f"tags.run_id = '{result.run_id}'",
        output_format="list",
    )
    assert run.data.params["evaluation.max_users"] == "4"
    assert run.data.metrics["num_users"] == 4
    assert "full/own_minus_other_minus_plain" in run.data.metrics
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"index.html", "results.csv", "table.md", "sweep.png", "trade_off.png"} <= names


def test_after_a_stop_only_what_is_missing_is_drawn_and_the_numbers_are_the_same(evaluated):
    file, whole = evaluated
    settings, study, pictures = opened(file)
    variants = {variant.name: plan_variant(study, variant) for variant in make_variants(settings)}
    lost = set(variants["bm25"].digests[3:]) | {variants["plain"].digests[0]}
    for digest in lost:
        pictures.files.delete([pictures.path(digest)])
    resumed = evaluate(read_settings(file))
    assert whole.drawn > resumed.drawn == len(lost)
    assert numbers(file, resumed) == numbers(file, whole)


@pytest.mark.slow
def test_a_killed_evaluation_is_carried_on_with_the_same_numbers(evaluated, tmp_path):
    whole_file, whole = evaluated
    write_movielens(tmp_path / "logs", sample_ratings())
    file = write_settings(tmp_path, whole_file.read_text())
    pictures = Workspace(tmp_path / "workspace").evaluation_pictures
    process = subprocess.Popen([sys.executable, "-c", EVALUATE, str(file)])
    while sum(1 for _ in pictures.rglob("*.png")) < 9 and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in pictures.rglob("*.png")}
    resumed = evaluate(read_settings(file))
    assert resumed.drawn == whole.drawn - len(kept) > 0
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert numbers(file, resumed) == numbers(whole_file, whole)


def test_a_picture_that_the_model_refuses_is_left_out_of_every_variant(evaluated):
    file, _ = evaluated
    settings, study, pictures = opened(file)
    refused = plan_variant(study, make_variants(settings)[1]).digests[0]
    path = pictures.path(refused)
    kept = pictures.files.read(path)
    pictures.files.write(path, b"")
    result = evaluate(read_settings(file))
    pictures.files.write(path, kept)
    counts = ask(
        file,
        "SELECT variant, sum(num_pictures)::INTEGER FROM evaluation_results "
        f"WHERE run_id = '{result.run_id}' AND measure = 'clip_target' GROUP BY ALL",
    )
    num_refused = plan_variant(study, make_variants(settings)[1]).digests.count(refused)
    assert dict(counts) == dict.fromkeys(VARIANTS, 8 - num_refused)


def test_a_text_that_is_blocked_is_left_out_until_it_is_blocked_no_more(evaluated, tmp_path):
    """Both ways: pictures that were drawn before, and ones that were refused before."""
    file, whole = evaluated
    _, study, _ = opened(file)
    blocked = {target.text for target in study.targets if target.owner == 0}
    (tmp_path / "blocked.txt").write_text("\n".join(blocked))
    safety = f'[safety]\nblocklist = "{tmp_path / "blocked.txt"}"\n'

    def of_new_workspace(name, text):
        (tmp_path / name).mkdir(exist_ok=True)
        if not (tmp_path / name / "logs").exists():
            shutil.copytree(file.parent / "logs", tmp_path / name / "logs")
        return evaluate(read_settings(write_settings(tmp_path / name, NIGHT + text + SMALL)))

    drawn_before = evaluate(read_settings(write_settings(file.parent, NIGHT + safety + SMALL)))
    write_settings(file.parent, NIGHT + SMALL)
    refused_before = of_new_workspace("new", safety)
    allowed_again = of_new_workspace("new", "")
    assert [one.num_users for one in (drawn_before, refused_before)] == [3, 3]
    assert drawn_before.table == refused_before.table
    assert allowed_again.num_users == whole.num_users == 4
    # Of users who have no picture nobody is told from them.
    assert guess_in(drawn_before.table) == pytest.approx(chance_reciprocal_rank(3), abs=5e-4)
    assert guess_in(whole.table) == pytest.approx(chance_reciprocal_rank(4), abs=5e-4)


def guess_in(table):
    (line,) = (line for line in table.splitlines() if line.startswith("| a guess"))
    return float(line.split("|")[-2])


def test_nothing_is_reported_when_the_model_refuses_everything(evaluated):
    file, _ = evaluated
    settings, study, pictures = opened(file)
    paths = {pictures.path(digest) for digest in plan_variant(study, make_variants(settings)[0]).digests}
    kept = {path: pictures.files.read(path) for path in paths}
    for path in paths:
        pictures.files.write(path, b"")
    with pytest.raises(NothingToMeasureError, match="refused a picture of each of the 8 targets"):
        measure(study, make_variants(settings), pictures, load_judge(settings))
    for path, content in kept.items():
        pictures.files.write(path, content)


def test_prompt_histories_are_evaluated_in_a_lake_of_their_own(evaluated, tmp_path):
    file, _ = evaluated
    before = ask(file, "SELECT count(*) FROM interactions")
    result = evaluate(read_settings(file), data=f"prompt_histories={write_prompts(tmp_path / 'prompts')}")
    assert ask(file, "SELECT count(*) FROM interactions") == before
    assert result.num_users == 3
    rows = ask(
        file,
        "SELECT data_set, count(DISTINCT user_key), count(user_id) FROM evaluation_results "
        f"WHERE user_key IS NOT NULL AND run_id = '{result.run_id}' GROUP BY ALL",
    )
    assert rows == [("prompt_histories:prompts", 3, 0)]
    page = (read_settings(file).workspace / "evaluation" / result.run_id / "index.html").read_text()
    assert "painter0 paints tree 9 in red" in page


def test_an_alias_that_names_no_model_is_an_error(evaluated):
    file, _ = evaluated
    with pytest.raises(UnknownModelError, match=r"registered as fan-artwork@nobody: .* fan register"):
        evaluate(read_settings(file), alias="nobody")


def write_prompts(folder):
    """Histories of three users who write ten prompts each, in a colour of their own."""
    folder.mkdir()
    for user, color in enumerate(("red", "blue", "black")):
        lines = [
            {
                "user_id": f"painter{user}",
                "id": f"{user}-{number}",
                "prompt": f"painter{user} paints tree {number} in {color}",
            }
            for number in range(10)
        ]
        (folder / f"{user}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_another_judge_is_named_and_found_to_be_independent(evaluated, tmp_path):
    file, bundled = evaluated
    settings = write_settings(tmp_path, file.read_text() + f'judge = "{another_judge(tmp_path)}"\n')
    settings.write_text(f'workspace = "{file.parent / "workspace"}"\n{settings.read_text()}')
    settings.write_text(settings.read_text().replace('path = "logs"', f'path = "{file.parent / "logs"}"'))
    replaced = evaluate(read_settings(settings))
    assert replaced.drawn == 0
    judges = (
        "SELECT DISTINCT judge, judge_is_independent FROM evaluation_results "
        f"WHERE measure = 'clip_target' AND run_id = '{replaced.run_id}'"
    )
    assert ask(file, judges) == [(str(tmp_path / "judge"), True)]
    before, after = numbers(file, bundled), numbers(file, replaced)
    changed = {row[1] for row, value in after.items() if value != before[row]}
    assert {"clip_target", "history_cosine", "own_minus_other", "kernel_distance"} <= changed
    assert not changed & {name for name, measure in MEASURES.items() if not measure.by_judge}


def another_judge(folder):
    """The bundled CLIP with every weight shaken: a CLIP of the same shape that no pipeline draws with."""
    model = ClipJudge.from_pretrained(JUDGE_FOLDER).model
    torch.manual_seed(0)
    for weights in model.parameters():
        weights.data += 0.1 * weights.data.norm() / weights.numel() ** 0.5 * torch.randn_like(weights)
    model.save_pretrained(folder / "judge")
    for file in JUDGE_FOLDER.glob("*token*"):
        shutil.copy(file, folder / "judge")
    return folder / "judge"
