import pytest

from flows.commands.evaluation_choice import choose, data_name, data_settings, make_variants
from flows.settings import SettingsError, read_settings
from tests.flows.nights import NIGHT, write_settings

ELSEWHERE = """
[evaluation]
data = {adapter = "prompt_histories", path = "prompts"}
variants = ["bm25"]
"""


def test_without_a_choice_the_settings_hold(settings):
    assert choose(settings) == settings
    assert data_settings(settings) == settings
    assert data_name(settings) == "workspace"
    assert len(make_variants(settings)) == 19


def test_the_choice_of_the_caller_wins(settings):
    chosen = choose(settings, data="movielens=/films/ml-1m", alias="challenger", variants=["coreset"])
    assert data_name(chosen) == "movielens:ml-1m"
    assert chosen.model.alias == "challenger"
    assert [variant.name for variant in make_variants(chosen)] == [
        "plain", "full", "coreset", "history of another user",
    ]  # fmt: skip


def test_a_data_set_has_its_own_lake_and_texts_whatever_the_workspace_s(tmp_path):
    night = f'catalog = "postgres:dbname=lake"\n{NIGHT}'
    settings = choose(read_settings(write_settings(tmp_path, night + ELSEWHERE)))
    source = data_settings(settings)
    assert source.workspace.is_relative_to(settings.workspace / "evaluation" / "data")
    assert source.catalog is None
    assert [(one.adapter, one.path) for one in source.sources] == [("prompt_histories", tmp_path / "prompts")]
    assert settings.texts.target_template == settings.texts.reference_template == "{prompt}"


def test_two_data_sets_of_one_name_have_two_lakes(settings):
    places = {
        data_settings(choose(settings, data=f"movielens={folder}/films")).workspace for folder in ("/a", "/b")
    }
    assert len(places) == 2


@pytest.mark.parametrize("text", ["films", "netflix=/films", "event_log=/logs"])
def test_an_unknown_kind_of_data_set_is_an_error(settings, text):
    with pytest.raises(SettingsError, match=rf"{text} is unknown: use movielens=FOLDER or prompt_histories"):
        choose(settings, data=text)


def test_a_judge_s_folder_is_found_beside_the_settings_and_a_hub_id_is_left_alone(tmp_path):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "config.json").write_text("{}")
    for judge, expected in (("clip", str(tmp_path / "clip")), ("openai/clip", "openai/clip")):
        file = write_settings(tmp_path, f'{NIGHT}\n[evaluation]\njudge = "{judge}"\n')
        assert read_settings(file).evaluation.judge == expected
