"""The settings: one file, the environment on top, and nothing unknown in either."""

from pathlib import Path

import pytest

from flows.settings import SettingsError, read_settings

MINIMAL = '[[sources]]\nadapter = "movielens"\npath = "logs"\n'


def write(tmp_path, text=MINIMAL):
    file = tmp_path / "fan.toml"
    file.write_text(text)
    return file


def test_what_is_not_named_has_its_default(tmp_path):
    settings = read_settings(write(tmp_path))
    assert settings.max_users == 100
    assert settings.users_limit == 100
    assert settings.profile.fraction == 0.1
    assert settings.drawing.alpha == 0.3


def test_relative_paths_start_at_the_files_folder(tmp_path, monkeypatch):
    file = write(tmp_path)
    monkeypatch.chdir("/")
    settings = read_settings(file)
    assert settings.workspace == tmp_path / "workspace"
    assert settings.sources[0].path == tmp_path / "logs"


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = write(tmp_path, MINIMAL + "[drawing]\nalpha = 0.1\nnum_inference_steps = 7\n")
    monkeypatch.setenv("FAN_DRAWING__ALPHA", "0.8")
    monkeypatch.setenv("FAN_MAX_USERS", "all")
    settings = read_settings(file)
    assert settings.drawing.alpha == 0.8
    assert settings.drawing.num_inference_steps == 7
    assert settings.users_limit is None


def test_a_variable_names_the_settings_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_SETTINGS", str(write(tmp_path, "seed = 5\n" + MINIMAL)))
    assert read_settings().seed == 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour = 1\n" + MINIMAL, "colour: unknown key"),
        (MINIMAL + "[drawing]\nalfa = 1\n", "line 5, drawing.alfa: unknown key; did you mean alpha?"),
        (
            "max_users = -1\n" + MINIMAL,
            "line 1, max_users: Input should be greater than 0, or: Input should be 'all'",
        ),
        (
            MINIMAL + "[serving]\nlimits = {max_rws = 3}\n",
            "serving.limits.max_rws: unknown key; did you mean max_rows?",
        ),
        (MINIMAL.replace("path", "pth"), "line 1, sources.0.path: Field required"),
        (MINIMAL + "pth = 3\n", "movielens has no key pth; did you mean path?"),
        (MINIMAL + "[drawing]\nalpha = 1.5\n", "drawing.alpha: Input should be less than or equal to 1"),
        (MINIMAL + "speed = 3\n", "movielens has no key speed; its keys are path, source"),
        ("", "sources: name at least one [[sources]] table"),
        ('[[sources]]\nadapter = "magic"\npath = "x"\n', "sources.0.adapter: Input should be 'movielens'"),
        (
            '[[sources]]\nadapter = "event_log"\npath = "x"\ncolumns = {user_id = "u"}\n',
            "line 1, sources.0: event_log: columns of event_log: item_id, event_time missing",
        ),
        ("max_users = 0\n" + MINIMAL, "max_users"),
        ("max_users = [\n", "is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path, text, complaint):
    with pytest.raises(SettingsError, match="fan.toml") as refusal:
        read_settings(write(tmp_path, text))
    assert complaint in str(refusal.value)


def test_an_unknown_variable_is_refused_with_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_DRAWNG__ALPHA", "0.5")
    with pytest.raises(SettingsError, match="FAN_DRAWNG__ALPHA names no setting: use one of .*FAN_DRAWING"):
        read_settings(write(tmp_path))


def test_an_unknown_key_in_a_known_section_of_the_environment_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_DRAWING__ALFA", "0.5")
    with pytest.raises(SettingsError, match=r"drawing.alfa: unknown key"):
        read_settings(write(tmp_path))


def test_a_missing_file_says_how_to_name_one(tmp_path):
    with pytest.raises(SettingsError, match="name it with --settings or FAN_SETTINGS"):
        read_settings(tmp_path / "none.toml")


def test_the_shipped_settings_are_valid_and_draw_for_a_hundred_users():
    settings = read_settings(Path(__file__).parents[2] / "fan.toml")
    assert settings.max_users == 100
    assert settings.sources[0].path.name == "ml-latest-small"
