"""A first settings file for one's own data reads that data."""

import tomllib

import pytest
from typer.testing import CliRunner

from flows.cli.program import app
from flows.settings import read_settings
from flows.setup.check import check
from flows.setup.first_settings import NothingFoundError, draft_from_recipe, draft_settings
from flows.source_settings import Source, told_apart
from recsys_adapters.data_sets.recipe_files import find_recipe, read_recipes

EVENTS = "ts;visitor;event;sku\n2024-05-01T10:00:00Z;ann;view;a1\n2024-05-02T10:00:00Z;bob;buy;a2\n"
ITEMS = """\
{"sku": "a1", "name": "Lamp", "category": "Light"}
{"sku": "a2", "name": "Desk", "category": "Office"}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A shop's folder of data, beside which one works."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "events.csv").write_text(EVENTS)
    (data / "items.jsonl").write_text(ITEMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_reads_the_data_without_a_problem(shop):
    run = CliRunner().invoke(app, ["init", "data", "--yes"])
    assert run.exit_code == 0, run.output
    settings = read_settings(shop / "fan.toml")
    lines, problems = check(settings)
    assert problems == []
    assert [line.split(": ")[1] for line in lines if "of its first" in line] == [
        "of its first 2 records 0 would be refused"
    ] * 2
    assert settings.texts.target_template == "{title}, {category}"
    assert settings.sources[0].build().kinds == {"buy": 5, "view": 1}


def test_paths_beside_the_file_are_written_from_there(shop):
    CliRunner().invoke(app, ["init", "data", "--yes"])
    written = tomllib.loads((shop / "fan.toml").read_text())
    assert [source["path"] for source in written["sources"]] == ["data/events.csv", "data/items.jsonl"]


def test_nothing_is_written_before_it_is_confirmed(shop):
    run = CliRunner().invoke(app, ["init", "data"], input="n\n")
    assert run.exit_code == 1
    assert "events.csv: event_log (user_id = visitor, item_id = sku" in run.output
    assert not (shop / "fan.toml").exists()
    assert CliRunner().invoke(app, ["init", "data"], input="y\n").exit_code == 0
    assert (shop / "fan.toml").exists()


def test_a_file_that_is_there_is_never_written_over(shop):
    (shop / "fan.toml").write_text("mine")
    run = CliRunner().invoke(app, ["init", "data", "--yes"])
    assert run.exit_code == 2
    assert (shop / "fan.toml").read_text() == "mine"


def test_lists_among_the_data_are_what_is_drawn(shop):
    (shop / "data" / "lists.csv").write_text("user_id,item_id,rank\nann,a2,1\n")
    draft = draft_settings([shop / "data"], shop)
    assert tomllib.loads(draft.toml)["targets"]["method"] == "given"


def test_without_a_log_there_is_nothing_to_write(shop):
    with pytest.raises(NothingFoundError, match=r"none of the files says .*items.jsonl: catalogue"):
        draft_settings([shop / "data" / "items.jsonl"], shop)


def test_names_that_no_toml_key_may_have_are_quoted(shop):
    text = EVENTS.replace(";view;", ";page view é;")
    (shop / "data" / "events.csv").write_text(text)
    kinds = tomllib.loads(draft_settings([shop / "data"], shop).toml)["sources"][0]["kinds"]
    assert set(kinds) == {"page view é", "buy"}


def test_kinds_that_are_too_many_to_list_are_told_in_the_settings(shop):
    rows = "".join(f"2024-05-01T10:00:00Z;ann;kind{number};a1\n" for number in range(30))
    (shop / "data" / "events.csv").write_text(f"ts;visitor;event;sku\n{rows}")
    toml = draft_settings([shop / "data"], shop).toml
    assert "\n# its 30 kinds of events are too many to list here: each weighs 1" in toml
    assert "kinds" not in tomllib.loads(toml)["sources"][0]


@pytest.mark.parametrize("recipe", read_recipes(), ids=lambda recipe: recipe.name)
def test_a_public_data_set_is_read_by_its_recipe(recipe, tmp_path):
    written = tomllib.loads(draft_from_recipe(recipe, tmp_path).toml)
    asked = tomllib.loads(recipe.toml)["sources"]
    assert [source["path"] for source in written["sources"]] == [
        str(tmp_path / source["path"]) for source in asked
    ]


def test_several_logs_are_written_with_names_of_their_own(shop):
    (shop / "data" / "log 2.csv").write_text(EVENTS.replace("visitor", "user"))
    written = tomllib.loads(draft_settings([shop / "data"], shop).toml)["sources"]
    assert {source.get("source") for source in written} == {"events", "log_2", None}
    _, doubles = told_apart([Source(**source) for source in written])
    assert doubles == []


def test_a_data_set_is_found_below_its_folder_and_packed(tmp_path):
    (tmp_path / "MINDsmall [train]").mkdir()
    for name in ("behaviors.tsv.gz", "news.tsv"):
        (tmp_path / "MINDsmall [train]" / name).touch()
    draft = draft_from_recipe(find_recipe("MIND"), tmp_path)
    paths = [source["path"] for source in tomllib.loads(draft.toml)["sources"]]
    assert paths == [str(tmp_path / "MINDsmall [train]" / name) for name in ("behaviors.tsv.gz", "news.tsv")]
    assert len(draft.told) == 1


def test_what_a_folder_has_not_of_a_data_set_is_told_before_anything_is_written(tmp_path):
    (tmp_path / "behaviors.tsv").touch()
    told = draft_from_recipe(find_recipe("MIND"), tmp_path).told
    assert told[1:] == [f"{tmp_path} has no news.tsv: write what the file is called there into the settings"]


def test_all_files_of_a_data_set_are_read(tmp_path):
    for number in range(1, 5):
        (tmp_path / f"combined_data_{number}.txt").touch()
    draft = draft_from_recipe(find_recipe("Netflix Prize"), tmp_path)
    log = tomllib.loads(draft.toml)["sources"][0]
    assert len(Source(**log).files()) == 4


def test_the_command_takes_the_name_of_a_data_set(shop):
    run = CliRunner().invoke(app, ["init", "--like", "netflix prize", "data", "--yes"])
    assert run.exit_code == 0, run.output
    assert find_recipe("Netflix Prize").remark in (shop / "fan.toml").read_text()
    assert len(read_settings(shop / "fan.toml").sources) == 2
