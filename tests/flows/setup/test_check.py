"""Looking ahead: every problem of a night at once, each with the line to change."""

import json
import re

import pytest
from typer.testing import CliRunner

from flows.cli.program import app
from flows.settings import read_settings
from flows.setup.check import check, describe_problems
from tests.fan_model import image_pipelines
from tests.flows.nights import NIGHT, sample_ratings, write_movielens, write_settings

LOG = """
[[sources]]
adapter = "event_log"
path = "log.csv"
columns = {user_id = "user", item_id = "item", event_time = "time"}
"""


@pytest.fixture(scope="module")
def model():
    """No variables: the model is what the settings name."""
    return {}


@pytest.fixture
def problems(tmp_path):
    """Check settings beside the logs of a test; return what is said of each problem, without the file."""

    def look(text):
        write_movielens(tmp_path / "logs", sample_ratings())
        file = write_settings(tmp_path, text)
        _, found = check(read_settings(file))
        return [line.removeprefix(f"{file}:") for line in describe_problems(found, file)]

    return look


def test_nothing_is_in_the_way_of_a_night_that_would_run(problems, tmp_path):
    assert problems(NIGHT) == []
    assert not (tmp_path / "workspace" / "lake").exists()


def test_every_problem_is_said_at_once_with_its_line(problems, tmp_path):
    wrong = ['target_template = "{titel}"', 'pipeline = "/nowhere/at all"', 'device = "xpu"']
    text = NIGHT + "[texts]\n" + "\n[model]\n".join(wrong[:2]) + f"\n{wrong[2]}\n"
    places = [f"{text.splitlines().index(line) + 1}: " for line in wrong]
    said = problems(text)
    assert [line[: len(place)] for line, place in zip(said, places, strict=True)] == places
    assert "texts.target_template: no item has a field titel; the fields are genres, title, year" in said[0]
    assert "is no folder, and no hub id either" in said[1]
    assert "model.device: the device xpu is not there: this machine has cpu" in said[2]


def test_a_source_that_cannot_be_read_leaves_the_others_to_be_looked_at(problems, tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n" + "ann,1,1500000000000\n" * 9)
    missing = LOG.replace("log.csv", "nowhere.csv")
    said = problems(missing + LOG)
    assert "sources.0.path: " in said[0]
    assert "no such file" in said[0]
    assert "sources.1: log.csv: 9 of 9 records: event_time is" in said[1]
    assert "set time_format" in said[1]


def test_an_error_that_nobody_foresaw_is_a_problem_beside_others_and_tells_no_text(
    problems, tmp_path, monkeypatch
):
    def fail(file, **_):
        raise RuntimeError("ann@example.org")

    monkeypatch.setattr("flows.setup.check.preview", fail)
    (tmp_path / "log.csv").write_text("user,item,time\nann,1,1500000000\n")
    said = problems(LOG.replace("log.csv", "nowhere.csv") + LOG)
    assert "no such file" in said[0]
    where = r"sources\.1: log\.csv cannot be read \(RuntimeError at test_check\.py:\d+\)"
    assert re.search(rf"{where}: see that the file is whole, .* report this line$", said[1])


def test_a_few_refused_records_are_counted_and_no_problem_of_the_settings(problems, tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n" + "ann,1,1500000000\n" * 19 + ",1,1500000000\n")
    file = write_settings(tmp_path, LOG)
    lines, found = check(read_settings(file))
    assert found == []
    assert "  log.csv: of its first 20 records 1 would be refused" in lines


def test_a_file_without_records_is_a_problem(problems, tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n")
    assert problems(LOG) == ["2: sources.0: log.csv has no records"]


def test_a_source_that_waits_is_told_and_no_problem(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\nann,1,1500000000\n")
    settings = write_settings(tmp_path, LOG.replace('path = "log.csv"', 'path = "log.csv"\nmarker = "_DONE"'))
    lines, found = check(read_settings(settings))
    assert "  nothing of log.csv is read: 1 files wait, since they may still be written: log.csv" in lines
    assert not [problem for problem in found if problem.keys[:1] == ("sources",)]


def test_catalogue_and_log_of_one_source_are_both_looked_at(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    lines, _ = check(read_settings(write_settings(tmp_path, NIGHT)))
    assert sum("of its first" in line for line in lines) == 2


def test_a_pipeline_that_lacks_a_component_is_named(problems, tmp_path, tiny_pipeline):
    folder = tmp_path / "pipe"
    folder.mkdir()
    index = json.loads((tiny_pipeline / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index))
    (said,) = problems(NIGHT + '[model]\npipeline = "pipe"\n')
    assert "model.pipeline" in said
    assert "lacks" in said
    assert "unet" in said


def test_a_judge_that_is_not_there_is_named(problems):
    (said,) = problems(NIGHT + '[evaluation]\njudge = "/nowhere/clip"\n')
    assert "evaluation.judge: /nowhere/clip has no config.json" in said


STYLED = '[texts]\ntarget_template = "{title}, {style} poster"\n'


def test_a_style_needs_a_model_that_describes_pictures(problems):
    (said,) = problems(NIGHT + STYLED)
    assert "texts.target_template: no item has a field style" in said
    assert "where describe.model names a model" in said


def test_a_model_that_describes_pictures_needs_its_folder_and_pictures(problems):
    said = problems(NIGHT + STYLED + '[describe]\nmodel = "/nowhere/vlm"\ndevice = "xpu"\n')
    assert "describe.model: /nowhere/vlm has no config.json: name the folder of a model from" in said[0]
    assert "describe.device: the device xpu is not there" in said[1]
    assert "pictures.allowed: no picture may be read" in said[2]
    assert len(said) == 3


def test_pictures_that_begin_as_items_own_need_a_place_to_read_those_from(problems):
    (said,) = problems(NIGHT + "[start]\nstrength = 0.5\n")
    assert "pictures.allowed: no picture may be read" in said


def test_a_lake_of_another_version_is_named(problems, tmp_path):
    (tmp_path / "workspace" / "lake").mkdir(parents=True)
    (tmp_path / "workspace" / "lake" / "catalog.sqlite").write_text("no catalogue" * 100)
    (said,) = problems(NIGHT)
    assert "workspace: " in said


def test_the_command_fails_where_a_night_would(tmp_path):
    write_movielens(tmp_path / "logs", sample_ratings())
    runner = CliRunner()
    good = runner.invoke(app, ["check", "--settings", str(write_settings(tmp_path, NIGHT))])
    assert (good.exit_code, good.output.splitlines()[-1]) == (0, "nothing in the way of a night")
    text = NIGHT + '[model]\ndevice = "xpu"\n'
    bad = runner.invoke(app, ["check", "--settings", str(write_settings(tmp_path, text))])
    assert (bad.exit_code, bad.output.splitlines()[-1]) == (1, "1 problems")


def test_a_pipeline_that_cannot_be_drawn_with_is_named_with_one_that_can(problems, tmp_path):
    (tmp_path / "pipe").mkdir()
    index = {"_class_name": "StableDiffusionInpaintPipeline"}
    (tmp_path / "pipe" / "model_index.json").write_text(json.dumps(index))
    (said,) = problems(NIGHT + '[model]\npipeline = "pipe"\n')
    assert "the nearest that would do is StableDiffusionPipeline" in said


ACTING = NIGHT + '[pictures]\nallowed = ["logs"]\n[images]\nreferences = "images"\n'


def test_pictures_that_act_need_a_pipeline_that_takes_them(problems):
    (said,) = problems(ACTING)
    assert "images.references: StableDiffusionPipeline takes no pictures as it is: name its IP-" in said
    assert 'or set images.references = "texts"' in said


def test_pictures_that_act_need_files_that_are_there_and_do_not_begin_other_pictures(problems, tmp_path):
    named = f'path = "{tmp_path}/lost.safetensors"\nencoder = "/nowhere"\n'
    said = problems(ACTING + named + "[start]\nstrength = 0.5\n")
    assert "images.references: start.strength must be unset where pictures act" in said[0]
    assert "images.references: the file /" in said[1]
    assert len(said) == 2


def test_what_is_on_the_hub_is_left_to_the_night(problems):
    assert problems(ACTING + 'path = "h94/IP-Adapter/models/ip-adapter_sd15.safetensors"\n') == []


def test_a_pipeline_that_must_have_pictures_may_be_drawn_with_where_they_act(problems, tmp_path):
    image_pipelines.unclip().save_pretrained(tmp_path / "unclip")
    named = '[model]\npipeline = "unclip"\n'
    assert problems(ACTING + named) == []
    (said,) = problems(NIGHT + named)
    assert "or let pictures act in nights with images.references" in said
