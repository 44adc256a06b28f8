"""Other methods beside this project's, in one evaluation on a small log."""

import shutil

import pytest

from evaluation.protocol.costing import COSTS
from evaluation.protocol.plan import plan_variant
from flows.commands.evaluate import evaluate, open_pictures, open_study, take_in_data
from flows.commands.evaluation_choice import make_variants
from flows.model.adapter_training import CaptionsError, train_drum
from flows.model.peer_methods import NO_ADAPTER, AnswerFiles, open_peers
from flows.settings import SettingsError, read_settings
from flows.workspace import Workspace
from tests.flows.nights import NIGHT, ask, sample_ratings, use_variables, write_movielens, write_settings

pytestmark = pytest.mark.whole

SMALL = """
[evaluation]
max_users = 3
min_history = 5
peers = true
"""
BASELINES = ["plain", "full", "concatenated prompt"]
WITHOUT_WEIGHTS = [
    "Tailored Visions (rule-based merge)",
    "PMG (keywords only)",
    "FABRIC",
    "ViPer (attributes compared by rule)",
    "mean of conditions",
    "one reference's condition",
]
ANOTHER = "history of another user"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Settings whose workspace holds a comparison, and what that one returned."""
    folder = tmp_path_factory.mktemp("compared")
    write_movielens(folder / "logs", sample_ratings())
    file = write_settings(folder, NIGHT + SMALL)
    return file, evaluate(read_settings(file))


def write_captions(folder, number=120):
    file = folder / "captions.txt"
    file.write_text("".join(f"film {place} in red\n" for place in range(number)))
    return file


def test_all_methods_are_measured_with_their_costs_and_who_cannot_draw_is_left_out(evaluated):
    file, result = evaluated
    drawn = ask(
        file,
        f"SELECT DISTINCT variant FROM evaluation_results WHERE run_id = '{result.run_id}' "
        "AND measure = 'own_minus_other'",
    )
    assert {name for (name,) in drawn} == {*BASELINES, *WITHOUT_WEIGHTS, ANOTHER, "one picture for all"}
    costs = ask(
        file,
        "SELECT variant, measure, value, judge FROM evaluation_results "
        f"WHERE run_id = '{result.run_id}' AND judge = 'this machine'",
    )
    assert {(variant, measure) for variant, measure, *_ in costs} == {
        (variant, measure) for variant in [*BASELINES, *WITHOUT_WEIGHTS, ANOTHER] for measure in COSTS
    }
    assert f"Left out: DrUM, for {NO_ADAPTER}." in result.comparison


def test_the_page_has_the_table_the_figure_and_one_target_by_all_methods(evaluated):
    file, result = evaluated
    folder = read_settings(file).workspace / "evaluation" / result.run_id
    page = (folder / "index.html").read_text()
    assert "Other methods, and what they cost" in page
    assert page.count("data:image/png;base64,") == 6
    assert (folder / "sheet_methods.png").stat().st_size > 0
    assert (folder / "methods.md").read_text() == result.comparison
    assert all(name in result.comparison for name in WITHOUT_WEIGHTS)


def test_a_comparison_that_was_stopped_is_carried_on(evaluated):
    file, whole = evaluated
    settings = read_settings(file)
    study, pictures = open_study(settings, take_in_data(settings)), open_pictures(settings)
    (fabric,) = (one for one in make_variants(settings) if one.name == "FABRIC")
    lost = set(plan_variant(study, fabric).digests[2:4])
    for digest in lost:
        pictures.files.delete([pictures.path(digest)])
    resumed = evaluate(read_settings(file))
    assert whole.drawn > resumed.drawn == len(lost)
    values = (
        "SELECT variant, measure, user_key, value FROM evaluation_results "
        "WHERE run_id = '{}' AND user_key IS NOT NULL ORDER BY ALL"
    )
    assert ask(file, values.format(resumed.run_id)) == ask(file, values.format(whole.run_id))


def test_an_adapter_that_was_trained_here_lets_drum_take_part(evaluated, tmp_path):
    settings = read_settings(evaluated[0])
    artist = open_study(settings, take_in_data(settings)).artist
    trained = train_drum(settings, captions=write_captions(tmp_path), num_steps=2)
    drum = open_peers(settings, artist).fit["DrUM"]
    assert trained.file.parent == Workspace(settings.workspace).adapters
    assert [path.name for path in trained.file.parent.iterdir()] == [trained.file.name]
    assert (drum.num_parameters, drum.origin) == (trained.num_parameters, trained.origin)
    shutil.rmtree(trained.file.parent)


def test_without_captions_of_its_own_a_pipeline_needs_a_file_of_them(evaluated, tmp_path):
    settings = read_settings(evaluated[0])
    with pytest.raises(CaptionsError, match="name a file of them with --captions"):
        train_drum(settings, num_steps=1)
    with pytest.raises(CaptionsError, match=r"captions.txt has 9 distinct captions: give 100 or more"):
        train_drum(settings, captions=write_captions(tmp_path, 9), num_steps=1)


def test_a_language_model_is_named_and_its_answers_are_erased_with_the_pictures(settings):
    with use_variables({"FAN_EVALUATION__REWRITER": '{"model": "org/small-model"}'}):
        chosen = read_settings(settings.workspace.parent / "fan.toml")
    chosen = chosen.model_copy(update={"evaluation": chosen.evaluation.model_copy(update={"peers": True})})
    names = [variant.name for variant in make_variants(chosen)]
    assert {"Tailored Visions (small-model)", "ViPer (small-model)"} <= set(names)
    workspace = Workspace(chosen.workspace)
    assert workspace.rewritten_prompts.is_relative_to(workspace.evaluation_pictures)
    answers = AnswerFiles(workspace.rewritten_prompts)
    assert answers.read("key") is None
    answers.keep("key", "ein Häuschen")
    assert answers.read("key") == "ein Häuschen"


@pytest.mark.parametrize(
    ("rewriter", "problem"),
    [
        ('address = "http://localhost/v1"', "address needs the name of a model"),
        ('model = "m"\naddress = "http://ann:secret-pass@localhost/v1"', "no key or password in it"),
    ],
)
def test_an_address_needs_a_model_and_holds_no_secret(tmp_path, rewriter, problem):
    file = write_settings(tmp_path, f"{NIGHT}\n[evaluation.rewriter]\n{rewriter}\n")
    with pytest.raises(SettingsError, match=problem) as refused:
        read_settings(file)
    assert "secret-pass" not in str(refused.value)
